"""One file with any number of records, for benchmarks; two processes share the work, the bytes do not depend on that."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from raw_loaders.simulate.dice import generator
from raw_loaders.simulate.gzip_write import OneMember, member_header, members
from raw_loaders.simulate.third_party import fill_line, fill_middle, wallets

STREAMS = ("hyperliquid_fills",)
_BATCH = 20_000
_FIRST_US = 1_763_683_200_000_000  # 2025-11-21 00:00 UTC
_SEEN_TIMES = 4  # each fill is polled by this many runs
_RUNS = 40


def write_one_file(path: Path, stream: str, count: int, *, seed: int, is_one_member: bool) -> None:
    """Write `count` records of `stream`; compressed when `path` ends in .gz, one member per record unless `is_one_member`.

    Raises ValueError for a stream this is not made for.
    """
    if stream not in STREAMS:
        raise ValueError(f"One-file mode writes {', '.join(STREAMS)} only, not {stream}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    is_gzip = path.name.endswith(".gz")
    work = partial(_batch, seed, is_gzip and not is_one_member)
    starts = [(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH)]
    whole = OneMember(member_header(f"{stream}.jsonl")) if is_gzip and is_one_member else None
    with path.open("wb") as file:
        for piece in _run(work, starts):
            file.write(whole.feed(piece) if whole else piece)
        if whole:
            file.write(whole.finish())


def _run(work: partial, starts: list[tuple[int, int]]) -> Iterator[bytes]:
    if len(starts) < 4:
        yield from map(work, starts)
        return
    with ProcessPoolExecutor(max_workers=2) as pool:
        yield from pool.map(work, starts)


def _batch(seed: int, is_member_per_record: bool, span: tuple[int, int]) -> bytes:
    """The records number span[0] to span[1] as bytes of the file."""
    start, stop = span
    rng = generator(seed, "one file", start)
    addresses = wallets(seed)
    run_rng = generator(seed, "one file runs")
    runs = [f"{run_rng.bytes(4).hex()}-{run_rng.bytes(2).hex()}-4{run_rng.bytes(2).hex()[1:]}-8000-{run_rng.bytes(6).hex()}"
            for _ in range(_RUNS)]  # fmt: skip
    fills = -(-(stop - start) // _SEEN_TIMES)
    draws = rng.random((fills, 4)).tolist()
    middles = []
    for index, (who, side, price, size) in enumerate(draws):
        ms = (_FIRST_US // 1000) - 600_000 + (start // _SEEN_TIMES + index) * 40
        middles.append(
            fill_middle(
                ms, "BTCUSDT", addresses[int(who * len(addresses))], "buy" if side < 0.5 else "sell",
                float(84_000 + int(price * 4_000)), round(0.001 + size * size * 3, 5),
            )
        )  # fmt: skip
    lines = []
    for number in range(start, stop):
        index = number - start
        run = runs[(index // fills + number // 50_000 * _SEEN_TIMES) % _RUNS]
        lines.append(fill_line(run, middles[index % fills], _FIRST_US + number * 10_007))
    if is_member_per_record:
        return members(member_header("hyperliquid_fills.jsonl"), [line.encode() for line in lines])
    return "".join(lines).encode()
