"""Tells Dagster which hours are loaded, by the ledger: an hour of a stream is green when rows of it are in.

Dagster reports the hours that a run was launched for, whether they hold a row or not. So hours that received rows while another
one was materialised are reported besides, and hours that hold none, or of which a file could not be read, are withdrawn. What
there is to tell is queued in the warehouse: a run that dies, or has told enough, leaves the rest to the next one.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import duckdb
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus

from dagster_project import ops_tables, queries
from dagster_project.assets.keys import raw_key, staging_model
from dagster_project.partitions import Window, days_window, hour_key, hour_of
from dagster_project.queries import Hour, table_exists
from raw_loaders.dictionary import Dictionary

Events = Generator[dg.AssetMaterialization, None, "Told"]
Unread = Mapping[str, Sequence[Window]]  # by stream, the hours of files that cannot be read
_NAMED_AT_ONCE = 1000


@dataclass(frozen=True)
class Told:
    """How many hours of streams were reported as materialised, were withdrawn, and wait for the next run."""

    reported: int = 0
    withdrawn: int = 0
    waiting: int = 0

    def __add__(self, other: "Told") -> "Told":
        """Both together."""
        return Told(self.reported + other.reported, self.withdrawn + other.withdrawn, self.waiting + other.waiting)


def note_loads(con: duckdb.DuckDBPyConnection, dictionary: Dictionary, window: Window, streams: Sequence[str]) -> None:
    """Queue the hours whose state may have changed, of streams with an emission clock; their loads count as announced then.

    These are hours that received or lost rows since the last load noted, hours of files that cannot be read, and the hours of
    `window` of the run's own `streams`, which Dagster is about to report as materialised.
    """
    ops_tables.create_ops_tables(con)
    clocked = queries.clocked(dictionary, dictionary.streams)
    loads = ops_tables.loads_missing_from(con, "announced_loads")
    con.execute("begin")
    try:
        if loads:
            # an hour of UTC, which is what the ledger keeps of rows taken out, is two halves of Indian hours
            con.execute(
                f"""
                insert into ops.unreported_hours
                select stream, hour_at, true from ({queries.hours_of_loads_sql(clocked, loads)})
                union all
                select distinct stream, hour_at + half, false
                from raw.removed_rows, (values (interval '-30 minutes'), (interval '30 minutes')) as halves(half)
                where {queries.of_loads(loads)} and hour_at is not null and list_contains($clocked, stream)
                """,
                {"clocked": clocked},
            )
        own = {"streams": [stream for stream in streams if stream in clocked], "start": window.start, "end": window.end}
        con.execute(
            "delete from ops.unreported_hours where list_contains($streams, stream) and hour_at >= $start and hour_at < $end", own
        )
        con.execute(
            "insert into ops.unreported_hours select unnest($streams), hour_at, false "
            "from (select unnest(generate_series($start, $end - interval '1 hour', interval '1 hour')) as hour_at)",
            own,
        )
        ops_tables.mark_loads(con, "announced_loads", loads)
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise


def tell_queued(
    context: dg.AssetExecutionContext,
    con: duckdb.DuckDBPyConnection,
    dictionary: Dictionary,
    keys: Sequence[str],
    limit: int | None,
) -> Events:
    """Report or withdraw the queued hours, of those with new rows the `limit` newest, and take what was told from the queue.

    To be yielded from a step: Dagster has stored an event when the step goes on, so a crash only repeats some.
    """
    streams = queries.clocked(dictionary, dictionary.streams)
    unread = _unread_hours(con, keys)
    # hours that were told before their file became unreadable: withdrawn they stay queued, and come back when it is read
    # without a limit everything is told anew, and all that is shown compared: an older release showed hours without rows
    shown = _green(context.instance, [stream for stream in streams if stream in unread or limit is None])
    candidates = {hour: False for hour in shown if limit is None or _is_unread(hour, unread)} | _queued(con, keys, limit)
    held = queries.rows_of_hours(con, {stream: f'raw."{stream}"' for stream in streams}, candidates)
    answer = yield from _tell(context, keys, candidates, held, unread, limit)
    con.execute("begin")
    ops_tables.take_from_queue(con, candidates)
    ops_tables.put_into_queue(con, answer.left)
    con.execute("commit")
    (waiting,) = con.execute("select count(*) from ops.unreported_hours").fetchone()
    return Told(answer.reported, answer.withdrawn, waiting)


def tell_staged(
    context: dg.AssetExecutionContext,
    con: duckdb.DuckDBPyConnection,
    dictionary: Dictionary,
    keys: Sequence[str],
    limit: int | None,
) -> Events:
    """The same for streams without a clock of their own: staging knows when their rows were written.

    They are few and small, so all that is shown is compared with all that is staged, and nothing needs to be queued; by their
    keys, of which only those that are told now become hours: years of others cost a tick nothing but reading them.
    """
    streams = [stream for stream in dictionary.streams if stream not in queries.clocked(dictionary, dictionary.streams)]
    staged = {stream: f'staging."{name}"' for stream in streams if table_exists(con, "staging", name := staging_model(stream))}
    unread = _unread_hours(con, keys)
    shown = {(stream, key) for stream in streams for key in context.instance.get_materialized_partitions(raw_key(stream))}
    there = {
        (stream, key)
        for stream, key in queries.keys_of_hours(con, staged)
        # the running hour is no partition yet
        if keys[0] <= key <= keys[-1] and not (stream in unread and _is_unread((stream, hour_of(key)), unread))
    }
    missing = sorted(there - shown, key=lambda named: named[1], reverse=True)[:limit]
    candidates = {(stream, hour_of(key)): False for stream, key in (shown - there) | set(missing) if key >= keys[0]}
    held = queries.rows_of_hours(con, staged, candidates)
    answer = yield from _tell(context, keys, candidates, held, unread, limit)
    return Told(answer.reported, answer.withdrawn, len(there - shown) - answer.reported)


@dataclass(frozen=True)
class _Answer:
    """`left` are hours still to be told, and whether they hold rows that nobody reported."""

    reported: int
    withdrawn: int
    left: Mapping[Hour, bool]


def _tell(
    context: dg.AssetExecutionContext,
    keys: Sequence[str],
    candidates: Mapping[Hour, bool],
    held: Mapping[Hour, int],
    unread: Unread,
    limit: int | None,
) -> Generator[dg.AssetMaterialization, None, _Answer]:
    green, known = _green_of(context.instance, candidates), set(keys)
    report, withdraw, left = [], [], {}
    for hour in sorted(candidates, key=lambda hour: hour[1], reverse=True):
        key = hour_key(hour[1])
        is_loaded = hour in held and not _is_unread(hour, unread)
        if is_loaded and key in known and (candidates[hour] or hour not in green):
            report.append(hour)
        elif not is_loaded and hour in green:
            withdraw.append(hour)
        # the running hour is no partition yet, and a file that cannot be read today may be tomorrow
        if hour in held and (not is_loaded or key not in known):
            left[hour] = candidates[hour]
    for stream, hour_at in report[:limit]:
        metadata = {"dagster/partition_row_count": held[stream, hour_at]}
        yield dg.AssetMaterialization(asset_key=raw_key(stream), partition=hour_key(hour_at), metadata=metadata)
    if not _withdraw(context.instance, withdraw):
        left |= dict.fromkeys(withdraw, False)
        withdraw = []
    left |= {hour: candidates[hour] for hour in report[len(report[:limit]) :]}
    return _Answer(len(report[:limit]), len(withdraw), left)


def _withdraw(instance: dg.DagsterInstance, hours: Sequence[Hour]) -> bool:
    """Let these hours be shown as not materialised. False when that must wait for a backfill that waits to see them green."""
    requested = BulkActionsFilter(statuses=[BulkActionStatus.REQUESTED])
    if hours and instance.get_backfills(filters=requested, limit=1):
        return False
    keys: dict[str, list[str]] = {}
    for stream, hour_at in hours:
        keys.setdefault(stream, []).append(hour_key(hour_at))
    for stream, named in keys.items():
        try:
            instance.event_log_storage.wipe_asset_partitions(raw_key(stream), named)
        except NotImplementedError:
            return False  # Dagster's own storage cannot take an hour back, ours can (quick_storage.py)
    return True


def _queued(con: duckdb.DuckDBPyConnection, keys: Sequence[str], limit: int | None) -> dict[Hour, bool]:
    """All hours to look at again, and the `limit` newest of those with new rows; an hour before the first partition is none."""
    con.execute("delete from ops.unreported_hours where hour_at < $start", {"start": hour_of(keys[0])})
    found = con.execute(
        """
        with hours as (
            select stream, hour_at, bool_or(has_new_rows) as is_new from ops.unreported_hours group by stream, hour_at
        )
        select stream, hour_at, is_new from hours
        qualify not is_new or row_number() over (partition by is_new order by hour_at desc, stream) <= $limit
        """,
        {"limit": 2**62 if limit is None else limit},
    ).fetchall()
    return {(stream, hour_at): is_new for stream, hour_at, is_new in found}


def _green(instance: dg.DagsterInstance, streams: Iterable[str]) -> set[Hour]:
    """The hours that Dagster shows as materialised."""
    return {(stream, hour_of(key)) for stream in streams for key in instance.get_materialized_partitions(raw_key(stream))}


def _green_of(instance: dg.DagsterInstance, hours: Iterable[Hour]) -> set[Hour]:
    """Those of the hours that Dagster shows as materialised; a tick asks for few, and years of others need not be read."""
    by_stream: dict[str, dict[str, Hour]] = {}
    for hour in hours:
        by_stream.setdefault(hour[0], {})[hour_key(hour[1])] = hour
    green = set()
    for stream, named in by_stream.items():
        if len(named) > _NAMED_AT_ONCE:
            shown = instance.get_materialized_partitions(raw_key(stream))
        else:
            kind = dg.DagsterEventType.ASSET_MATERIALIZATION
            shown = instance.get_latest_storage_id_by_partition(raw_key(stream), kind, set(named))
        green |= {named[key] for key in shown if key in named}
    return green


def _unread_hours(con: duckdb.DuckDBPyConnection, keys: Sequence[str]) -> Unread:
    """Per file that cannot be read, the hours that it may hold records of: those of its day, or all since it was last read."""
    found = con.execute(
        "select distinct stream, try_cast(partition_date as date), loaded_at from raw.files "
        "where status = 'unreadable' and stream is not null"
    ).fetchall()
    unread: Unread = {}
    for stream, day, loaded_at in found:
        window = days_window(day, day) if day else Window(loaded_at or hour_of(keys[0]), datetime.now(UTC))
        unread.setdefault(stream, []).append(window)
    return unread


def _is_unread(hour: Hour, unread: Unread) -> bool:
    stream, hour_at = hour
    return any(window.start < hour_at + timedelta(hours=1) and hour_at < window.end for window in unread.get(stream, ()))
