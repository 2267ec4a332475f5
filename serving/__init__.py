"""Publishes the marts as read-only versions, and reads them. Knows no Dagster and no dbt."""

from serving.errors import ServingError
from serving.publish import Version, publish

__all__ = ["ServingError", "Version", "publish"]
