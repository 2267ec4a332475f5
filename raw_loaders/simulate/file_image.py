"""A written file taken apart into members and lines, so that a defect can be put at a known place and the truth kept."""

from array import array
from collections import Counter
from dataclasses import dataclass, field

from zlib_ng import gzip_ng

from raw_loaders.simulate.gzip_write import OneMember, member_header, members

FOREIGN = -1  # burst number of a line no burst wrote


@dataclass(slots=True)
class Line:
    """One line with its line end (when it has one). `reject` is the reason the loader must refuse it for."""

    text: bytes
    burst: int
    reject: str | None = None
    unknown_key: str | None = None


@dataclass(slots=True)
class Member:
    """A gzip member, or a stretch of other bytes. `lines` are what a loader finds in it; `raw` overrides its bytes."""

    lines: list[Line]
    raw: bytes | None = None
    damage: str | None = None
    min_lost: int = 0


@dataclass
class FileFacts:
    """What a loader must find in one file."""

    source_file: str
    stream: str
    size_bytes: int = 0
    lines: int = 0
    accepted: int = 0
    rejected: Counter = field(default_factory=Counter)
    unknown_keys: Counter = field(default_factory=Counter)
    damaged: list[dict[str, object]] = field(default_factory=list)
    bursts: array = field(default_factory=lambda: array("i"))  # of each line; FOREIGN where nobody wrote it or it is refused


class FileImage:
    """One file of a landing. A plain file is a single member without compression."""

    def __init__(self, source_file: str, stream: str, content: bytes, bursts: array, *, is_one_member: bool) -> None:
        self.source_file, self.stream = source_file, stream
        self.is_gzip = source_file.endswith(".gz")
        text = gzip_ng.decompress(content) if self.is_gzip else content
        lines = [Line(part, burst) for part, burst in zip(text.splitlines(keepends=True), bursts, strict=True)]
        self._header = member_header(f"{stream}.jsonl")
        self.is_single = not self.is_gzip or is_one_member
        self.members = [Member(lines)] if self.is_single else [Member([line]) for line in lines]

    def insert(self, line: Line) -> int:
        """Put a line in the middle of the file; returns its line number."""
        if self.is_single:
            at = (len(self.members[0].lines) + 1) // 2
            self.members[0].lines.insert(at, line)
        else:
            at = (len(self.members) + 1) // 2
            self.members.insert(at, Member([line]))
            at = sum(len(member.lines) for member in self.members[:at])
        return at + 1

    def middle_line(self) -> Line:
        """The line in the middle of the file."""
        lines = [line for member in self.members for line in member.lines]
        return lines[len(lines) // 2]

    def compressed(self, member: Member) -> bytes:
        """Bytes of a whole member (of a plain file: its text)."""
        text = b"".join(line.text for line in member.lines)
        if not self.is_gzip:
            return text
        if len(member.lines) == 1:
            return members(self._header, [text])
        whole = OneMember(self._header)
        return whole.feed(text) + whole.finish()

    def assemble(self) -> tuple[bytes, FileFacts]:
        """The file's bytes with its defects, and what a loader must find in them."""
        facts = FileFacts(self.source_file, self.stream)
        pieces = []
        for member in self.members:
            raw = member.raw if member.raw is not None else self.compressed(member)
            if member.damage:
                facts.damaged.append(
                    {
                        "byte_start": facts.size_bytes,
                        "byte_end": facts.size_bytes + len(raw),
                        "reason": member.damage,
                        "min_lost_records": member.min_lost,
                    }
                )
            pieces.append(raw)
            facts.size_bytes += len(raw)
            for line in member.lines:
                facts.lines += 1
                facts.bursts.append(FOREIGN if line.reject else line.burst)
                if line.reject:
                    facts.rejected[line.reject] += 1
                else:
                    facts.accepted += 1
                if line.unknown_key:
                    facts.unknown_keys[line.unknown_key] += 1
        return b"".join(pieces), facts
