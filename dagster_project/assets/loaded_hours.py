"""`ops.loaded_hours`: after dbt, the hours of streams whose emission time only staging knows are told to Dagster, too."""

from collections.abc import Iterator

import dagster as dg

from dagster_project import queries
from dagster_project.assets.announcements import tell_staged
from dagster_project.assets.keys import LOADED_HOURS
from dagster_project.partitions import hourly
from dagster_project.resources import WRITER_POOL, Warehouse
from dagster_project.settings import Settings
from raw_loaders.dictionary import Dictionary


def loaded_hours_asset(settings: Settings, dictionary: Dictionary, staging: dict[str, dg.AssetKey]) -> dg.AssetsDefinition:
    """The asset. `staging` has the staging model of each stream; it comes after those without an emission clock."""
    clocked = queries.clocked(dictionary, dictionary.streams)
    partitions = hourly(settings.partitions_start)

    @dg.multi_asset(
        name="ops__loaded_hours",
        specs=[
            dg.AssetSpec(
                LOADED_HOURS,
                deps=[key for stream, key in staging.items() if stream not in clocked],
                group_name="ops",
                description="Brings the colours of the raw hours in line with what is staged, for streams without an own clock.",
            )
        ],
        pool=WRITER_POOL,
    )
    def loaded_hours(
        context: dg.AssetExecutionContext, warehouse: Warehouse
    ) -> Iterator[dg.MaterializeResult | dg.AssetMaterialization]:
        with warehouse.connect(read_only=True) as con:
            told = yield from tell_staged(context, con, dictionary, partitions.get_partition_keys(), settings.announcement_limit)
        yield dg.MaterializeResult(
            metadata={"hours_reported": told.reported, "hours_withdrawn": told.withdrawn, "hours_waiting": told.waiting}
        )

    return loaded_hours
