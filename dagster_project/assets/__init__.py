"""The assets: landed streams, raw tables, dbt models, and the reconciliation of days."""
