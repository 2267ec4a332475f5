"""Keys of the assets that are not dbt models."""

import dagster as dg


def landing_key(stream: str) -> dg.AssetKey:
    """Key of the landed files of a stream."""
    return dg.AssetKey(["landing", stream])


def raw_key(stream: str) -> dg.AssetKey:
    """Key of the raw table of a stream."""
    return dg.AssetKey(["raw", stream])


def staging_model(stream: str) -> str:
    """Name of the dbt model that stages a stream."""
    return f"stg_{stream}"


DAY_RECONCILIATION = dg.AssetKey(["ops", "day_reconciliation"])
LOADED_HOURS = dg.AssetKey(["ops", "loaded_hours"])
PUBLISHED_MARTS = dg.AssetKey(["published", "marts"])
ALERT_DELIVERY = dg.AssetKey(["ops", "alert_delivery"])
EXPORT_GROUP = "exports"
