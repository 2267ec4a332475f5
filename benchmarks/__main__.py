"""Entry point of `make bench`: every benchmark, one after the other."""

from collections.abc import Callable

from benchmarks import backfill, exports, full_day, growth, load, overhead, tick


def _exit_code(benchmark: Callable[[], None]) -> int:
    """Run one benchmark to its end; 0 when its limits are met."""
    try:
        benchmark()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    raise SystemExit(max([_exit_code(each.main) for each in (load, exports, overhead, backfill, tick, full_day, growth)]))
