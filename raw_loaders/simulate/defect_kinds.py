"""The changes behind the defects: each takes the image of a file and damages it at one known place."""

import itertools
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from zlib_ng import zlib_ng

from raw_loaders.simulate.clock import DAY_US, IST_US, ist, ist_day
from raw_loaders.simulate.dice import generator
from raw_loaders.simulate.file_image import FOREIGN, FileImage, Line, Member
from raw_loaders.simulate.schedule import Run
from raw_loaders.simulate.simulation import BurstFacts, Simulated

UNKNOWN_KEY = "venue_latency_ms"
_INVALID_DEFLATE = 0x07  # last block, of the type that does not exist


@dataclass(frozen=True)
class Context:
    """What a defect may need besides its file."""

    simulated: Simulated
    long_line_bytes: int


def stray_bytes(image: FileImage, _: Context) -> None:
    """Remains of longer records between members: their last one, two and three bytes."""
    if image.is_single:  # gaps lie between members: let the file be appended to four times
        lines = image.members[0].lines
        cuts = [len(lines) * part // 4 for part in range(5)]
        image.members = [Member(lines[start:stop]) for start, stop in itertools.pairwise(cuts)]
    count = len(image.members)
    for width in (3, 2, 1):
        at = count * width // 4
        image.members.insert(at, Member([], image.compressed(image.members[at - 1])[-width:], "stray_bytes", 1))


def crc_mismatch(image: FileImage, _: Context) -> None:
    """The member in the middle gets a wrong checksum."""
    member = image.members[len(image.members) // 2]
    raw = bytearray(image.compressed(member))
    raw[-8] ^= 0xFF
    member.raw, member.damage, member.min_lost = bytes(raw), "crc_mismatch", len(member.lines)
    for line in member.lines:
        line.reject = "crc_mismatch"


def corrupt_member(image: FileImage, _: Context) -> None:
    """The data of the member in the middle cannot be decoded from their first byte on."""
    member = image.members[len(image.members) // 2]
    raw = bytearray(image.compressed(member))
    raw[raw.index(0, 10) + 1] = _INVALID_DEFLATE  # the first byte after the file name
    member.raw, member.damage, member.min_lost, member.lines = bytes(raw), "corrupt_member", 1, []


def truncated_member(image: FileImage, _: Context) -> None:
    """The last member is cut in half."""
    member = image.members[-1]
    raw = image.compressed(member)
    start = raw.index(0, 10) + 1
    member.raw = raw[: start + (len(raw) - start) // 2]
    text = zlib_ng.decompressobj(-15).decompress(member.raw[start:])
    member.damage, member.min_lost = "truncated_member", 1
    member.lines = member.lines[: text.count(b"\n")]


def half_line(image: FileImage, _: Context) -> None:
    """Half a record, without a line end, is appended."""
    text = image.members[-1].lines[-1].text
    image.members[-1].lines.append(Line(text[: len(text) // 2], FOREIGN, "incomplete_line"))


def line_defect(reason: str, change: Callable[[bytes], bytes]) -> Callable[[FileImage, Context], None]:
    """A defect that adds a broken copy of a good line."""

    def apply(image: FileImage, _: Context) -> None:
        image.insert(Line(change(image.middle_line().text), FOREIGN, reason))

    return apply


def long_line(image: FileImage, context: Context) -> None:
    """A record with so much padding that no loader should take it."""
    text = image.middle_line().text
    frame = text[:-2] + (b', "pad": ""' if b'": ' in text else b',"pad":""') + b"}\n"
    padding = b"x" * max(context.long_line_bytes - len(frame) + 1, 0)  # the line end does not count
    image.insert(Line(frame[:-3] + padding + frame[-3:], FOREIGN, "line_too_long"))


def unknown_key(image: FileImage, _: Context) -> None:
    """The record in the middle gets a top-level key nobody has documented."""
    line = image.middle_line()
    line.text = line.text[:-2] + f', "{UNKNOWN_KEY}": 12}}\n'.encode()
    line.unknown_key = UNKNOWN_KEY


def repoll(image: FileImage, context: Context) -> None:
    """A process starts, polls the same fills again and dies: a whole poll is appended by a run that did nothing else."""
    simulated = context.simulated
    source = simulated.bursts[image.middle_line().burst]
    number = len(simulated.bursts)
    lines = [line for member in image.members for line in member.lines]
    repeated = [json.loads(line.text) for line in lines if simulated.bursts[line.burst] is source]
    last_us = max(burst.end_us for burst in simulated.bursts)
    run_id = str(uuid.UUID(bytes=generator(simulated.settings.seed, "repoll").bytes(16), version=4))
    simulated.runs.append(Run(len(simulated.runs), run_id, "poll_only", -1, last_us, last_us, simulated.runs[0].release))
    simulated.bursts.append(BurstFacts(len(simulated.runs) - 1, source.bot, source.asset, source.bar_ms, 0, kind="poll_only"))
    # it lands in the file of the day of the first poll, so the stamps stay within that day
    us = min(simulated.bursts[lines[-1].burst].end_us + 1_000_000, (ist_day(source.end_us) + 1) * DAY_US - IST_US - 1_000_000)
    for record in repeated:
        us += 351
        record |= {"run_id": run_id, "ts_ist": ist(us), "bar_id": us // 43_200_000_000}
        text = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        if image.is_single:
            image.members[0].lines.append(Line(text, number))
        else:
            image.members.append(Member([Line(text, number)]))


def without(key: bytes) -> Callable[[bytes], bytes]:
    """Rename a required key, so that it is missing."""
    return lambda text: text.replace(b'"%s"' % key, b'"%s_gone"' % key, 1)
