"""The one form of a check's answer: rows examined, up to ten failing rows, and what to do about them."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

SHOWN = 10


def outcome(
    asset_key: dg.AssetKey,
    check_name: str,
    *,
    rows_examined: int,
    failing: Sequence[Mapping[str, Any]],
    remedy: str,
    nothing_because: str | None = None,
    is_warning: bool = False,
    facts: Mapping[str, Any] | None = None,
    failing_count: int | None = None,
) -> dg.AssetCheckResult:
    """Build a check result.

    Fails when `failing` has rows, and when nothing was examined, unless `nothing_because` says why there was nothing
    to examine (then it is marked as skipped). `is_warning` reports a failure that does not stop publication.
    `failing_count` is the number of failing rows where `failing` holds the first of them only.
    """
    metadata: dict[str, Any] = {"rows_examined": rows_examined, **(facts or {})}
    passed = not failing and rows_examined > 0
    description = None
    if failing:
        count = failing_count or len(failing)
        metadata |= {"failing_rows": count, "examples": _table(failing[:SHOWN]), "what_to_do": remedy}
        description = f"{count} failing, first: {_one_line(failing[0])}. {remedy}"
    elif rows_examined == 0 and nothing_because:
        passed = True
        metadata["skipped"] = nothing_because
        description = f"Skipped: {nothing_because}"
    elif rows_examined == 0:
        metadata["what_to_do"] = "Nothing was examined although there should be something: load the landing, then check again."
        description = metadata["what_to_do"]
    return dg.AssetCheckResult(
        asset_key=asset_key,
        check_name=check_name,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR,
        metadata=metadata,
        description=description,
    )


def _one_line(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())


def _table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    return dg.MetadataValue.table(
        records=[dg.TableRecord({name: str(value) for name, value in row.items()}) for row in rows],
        schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in rows[0]]),
    )
