"""Orchestration of the warehouse: partitions, assets, checks, schedules. Parses nothing and transforms nothing."""
