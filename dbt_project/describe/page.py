"""docs/streams.md, the reader's page of every stream, made from the stream dictionary."""

from pathlib import Path

from raw_loaders.dictionary import Dictionary, Stream

PAGE = Path(__file__).parents[2] / "docs" / "streams.md"

INTRO = """<!-- Made from raw_loaders/streams/*.yml by `python -m dbt_project.describe`; do not edit. -->
# Streams

Every stream the bot logs, as `raw.<stream>` (the record whole, as JSON) and `staging.stg_<stream>` (typed and attributed).
The key of a row is (`source_file`, `line_no`) in both. The source's own ids (`event_id`, `bar_id`) repeat across replicas and
are no keys. In paths, `{bot}` is the folder of one bot, `{owner}` a folder that mixes the records of all bots, `{hive}`
`date=.../asset=...` levels in any order with an optional `hour=`, `{file}` the stream's file or a rotated sibling.

Streams of the second system are optional: nothing is missing where they are absent. Their format is closed, so a record with
another version, a key or a value that is not listed, or a label before its decision is refused with that reason.

Besides the columns listed here every staging table of a bot's stream has: `source_file`, `line_no`, `decision_id`, `bot`,
`bot_method`, `run_id`, `run_method`, `unattributed_reason`, `bar_close_at`, `emitted_date_ist`, `emitted_date_utc`, `replica_no`,
`is_canonical`, `partition_date`, `is_synthetic`, `load_id`; the fills have `fill_ordinal` and no decision. Those of the second
system have `source_file`, `line_no`, `emitted_date_ist`, `emitted_date_utc`, `partition_date`, `is_synthetic`, `load_id`.
"""

CLOCKS = {
    "emitted_at": "`{field}` is the emission time (wall clock of the process).",
    "bar_open_at": "`{field}` is the open of the bar; the record holds no emission time.",
}


def page(dictionary: Dictionary) -> dict[Path, str]:
    """Path -> text of the page."""
    return {PAGE: INTRO + "".join(_section(stream) for stream in dictionary.streams.values())}


def _strict_lines(stream: Stream) -> list[str]:
    rules = stream.strict
    if rules is None:
        return []
    values = "; ".join(f"`{key}` one of {', '.join(allowed)}" for key, allowed in rules.values.items())
    lines = [f"- Optional, of the second system; closed format: `{rules.version_field}` = {rules.version}; {values}."]
    if rules.earlier:
        lines.append(f"- Refused as {rules.order_reason} where `{rules.later}` lies before `{rules.earlier}`.")
    return [*lines, ""]


def _section(stream: Stream) -> str:
    required = ", ".join(f"`{key}` ({kind})" for key, kind in stream.required.items())
    lines = [
        f"\n## {stream.name}\n{stream.grain}.\n",
        f"- Path: {', '.join(f'`{path}`' for path in stream.paths)}",
        f"- Clock: {CLOCKS[stream.clock].format(field=stream.clock_field)}",
        f"- Required in each record: {required}." + ("" if stream.strict else "\n"),
        *_strict_lines(stream),
        "| column | in the record | type | unit | meaning |\n|---|---|---|---|---|",
    ]
    for column in stream.columns:
        path = f"`{column['path']}`" + (" (optional)" if column.get("optional") else "")
        meaning = str(column["meaning"]).replace("|", "\\|")
        lines.append(f"| `{column['name']}` | {path} | {column['type']} | {column['unit']} | {meaning} |")
    return "\n".join(lines) + "\n"
