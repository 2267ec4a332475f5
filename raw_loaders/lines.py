"""Cuts blocks of text into lines without making a Python object of each line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from raw_loaders.blocks import Block, Damage

MAX_LINE = 4 << 20
MAX_REJECT_TEXT = 64 << 10
NEWLINE = 10


@dataclass(slots=True, frozen=True)
class LineReject:
    """A line the reader itself refuses. `text` shows at most MAX_REJECT_TEXT bytes, `text_bytes` is the whole length."""

    line_no: int
    byte_offset: int
    member_no: int
    member_offset: int
    reason: str
    text: str
    text_bytes: int


@dataclass(slots=True)
class LineBatch:
    """k clean lines: `lines` are valid UTF-8 without line ends, the arrays (all of length k) say where each begins."""

    lines: pa.StringArray
    line_no: np.ndarray
    byte_offset: np.ndarray
    member_no: np.ndarray
    member_offset: np.ndarray
    rejects: list[LineReject] = field(default_factory=list)


@dataclass(slots=True, frozen=True)
class ResumePoint:
    """Where reading may go on with a clean state: file offset, lines and text bytes before it, number of the next member."""

    file_offset: int = 0
    line_no: int = 0
    text_offset: int = 0
    member_no: int = 0


@dataclass(slots=True, frozen=True)
class DamagedLines:
    """The lines `first`..`last` (inclusive; none when last < first) that were decoded from the damaged member of `damage`."""

    damage: Damage
    first: int
    last: int


class LineSplitter:
    """Turns blocks into line batches; keeps the unfinished last line between blocks.

    `refused` lists line ranges (first, last, reason) to hand out as rejects. `line_count` counts every line seen, `resume` is
    the last clean resume point, `damaged` collects the damages with the lines that came out of them, and
    `unterminated_line_no` is the number of a last line that had no line end.
    """

    def __init__(self, start: ResumePoint, *, is_plain: bool, refused: Sequence[tuple[int, int, str]] = ()) -> None:
        self.resume = start
        self.line_count = start.line_no
        self.damaged: list[DamagedLines] = []
        self.unterminated_line_no: int | None = None
        self._is_plain = is_plain
        self._text_offset = start.text_offset  # of the first byte not yet cut into a line
        self._carry = b""
        self._carry_member = (0, 0)
        self._refused = refused
        self._member_no = -1
        self._lines_before_member = start.line_no
        self._skipped = 0  # bytes already dropped of a line that is too long
        self._skipped_head = b""

    def split(self, events: Iterator[Block | Damage]) -> Iterator[LineBatch]:
        """All line batches of a file, in file order."""
        for event in events:
            batch = self._feed(event) if isinstance(event, Block) else self._pass_damage(event)
            if batch is not None:
                yield batch
        batch = self._flush()
        if batch is not None:
            yield batch

    def _feed(self, block: Block) -> LineBatch | None:
        if block.first_member_no != self._member_no:
            self._member_no, self._lines_before_member = block.first_member_no, self.line_count
        if self._skipped:
            return self._feed_skipping(block)
        carried = len(self._carry)
        text = self._carry + block.text if carried else block.text
        ends = np.flatnonzero(np.frombuffer(text, np.uint8) == NEWLINE)
        starts = np.zeros(len(ends), np.int64)
        starts[1:] = ends[:-1] + 1
        member = np.searchsorted(block.member_starts, starts - carried, side="right") - 1
        member_no, member_offset = member + block.first_member_no, block.member_offsets[np.maximum(member, 0)]
        if carried and len(ends):
            member_no[0], member_offset[0] = self._carry_member
        cut = int(ends[-1]) + 1 if len(ends) else 0
        whole = text[:cut] if cut < len(text) else text
        batch = self._batch(whole, starts, ends, member_no, member_offset) if cut else None
        if cut or not carried:
            rest = int(np.searchsorted(block.member_starts, cut - carried, side="right")) - 1
            self._carry_member = (block.first_member_no + rest, int(block.member_offsets[rest]))
        self._carry = text[cut:]
        self._text_offset += cut
        if len(self._carry) > MAX_LINE:
            self._skipped, self._skipped_head, self._carry = len(self._carry), self._carry[:MAX_REJECT_TEXT], b""
        self._note_resume(block)
        return batch

    def _note_resume(self, block: Block) -> None:
        if self._is_plain:
            if not self._skipped:
                self.resume = ResumePoint(self._text_offset, self.line_count, self._text_offset, 0)
        elif block.safe_end is not None and not self._carry and not self._skipped:
            self.resume = ResumePoint(block.safe_end, self.line_count, self._text_offset, block.next_member_no)

    def _feed_skipping(self, block: Block) -> LineBatch | None:
        """Drop text up to the end of the line that is too long, then go on with what is left of the block."""
        end = block.text.find(b"\n")
        if end < 0:
            self._skipped += len(block.text)
            return None
        reject = self._too_long(self._skipped + end)
        self._text_offset += self._skipped + end + 1
        self._skipped = 0
        rest = int(np.searchsorted(block.member_starts, end + 1, side="right")) - 1
        starts = np.maximum(block.member_starts[rest:] - (end + 1), 0)
        remainder = Block(
            block.text[end + 1 :],
            block.first_member_no + rest,
            starts,
            block.member_offsets[rest:],
            block.safe_end,
            block.next_member_no,
        )
        batch = self._feed(remainder) or _empty_batch()
        batch.rejects.insert(0, reject)
        return batch

    def _too_long(self, length: int) -> LineReject:
        self.line_count += 1
        no, offset = self._carry_member
        return LineReject(self.line_count, self._text_offset, no, offset, "line_too_long", _show(self._skipped_head), length)

    def _pass_damage(self, damage: Damage) -> LineBatch | None:
        first = self._lines_before_member + 1 if damage.drops_fragment else self.line_count + 1
        self.damaged.append(DamagedLines(damage, first, self.line_count))
        if damage.drops_fragment:
            self._text_offset += len(self._carry) + self._skipped
            self._carry, self._skipped = b"", 0
            return None
        return self._flush()

    def _flush(self) -> LineBatch | None:
        """Hand out an unfinished last line: the file ends here, or damage follows."""
        if self._skipped:
            batch = _empty_batch()
            batch.rejects.append(self._too_long(self._skipped))
            self._text_offset += self._skipped
            self._skipped = 0
            return batch
        if not self._carry:
            return None
        text = self._carry + b"\n"
        self._carry = b""
        ends = np.array([len(text) - 1])
        no, offset = self._carry_member
        batch = self._batch(text, np.zeros(1, np.int64), ends, np.array([no]), np.array([offset]))
        self._text_offset += len(text) - 1
        self.unterminated_line_no = self.line_count
        return batch

    def _batch(
        self, text: bytes, starts: np.ndarray, ends: np.ndarray, member_no: np.ndarray, member_offset: np.ndarray
    ) -> LineBatch:
        """Build the batch of the lines text[starts[i]:ends[i]]; every line of `text` ends with a newline."""
        before = self.line_count
        self.line_count += len(ends)
        line_no = np.arange(before + 1, self.line_count + 1, dtype=np.int64)
        columns = [line_no, starts + self._text_offset, member_no.astype(np.int64), member_offset.astype(np.int64)]
        refused = [(a, z, reason) for a, z, reason in self._refused if a <= self.line_count and z > before]
        if not refused and int((ends - starts).max()) <= MAX_LINE and b"\0" not in text and _is_utf8(text):
            offsets = np.empty(len(ends) + 1, np.int32)
            offsets[0] = 0
            offsets[1:] = ends - np.arange(len(ends))
            return LineBatch(_strings(offsets, text.replace(b"\n", b"")), *columns)
        return _sorted_out(text, starts, ends, columns, refused)


def _sorted_out(
    text: bytes,
    starts: np.ndarray,
    ends: np.ndarray,
    columns: list[np.ndarray],
    refused: Sequence[tuple[int, int, str]],
) -> LineBatch:
    """The slow way for text with lines no database may see, or none we trust: such lines become rejects, the others stay."""
    rejects, kept, lines = [], [], []
    for index, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
        line = text[start:end]
        line_no, offset, member_no, member_offset = (int(column[index]) for column in columns)
        reason = next((reason for a, z, reason in refused if a <= line_no <= z), None) or _fault(line)
        if reason is None:
            kept.append(index)
            lines.append(line)
        else:
            shown = _show(line[:MAX_REJECT_TEXT])
            rejects.append(LineReject(line_no, offset, member_no, member_offset, reason, shown, len(line)))
    offsets = np.cumsum([0, *map(len, lines)], dtype=np.int32)
    return LineBatch(_strings(offsets, b"".join(lines)), *(column[kept] for column in columns), rejects)


def _fault(line: bytes) -> str | None:
    if len(line) > MAX_LINE:
        return "line_too_long"
    if b"\0" in line:
        return "nul_byte"
    return None if _is_utf8(line) else "invalid_utf8"


def _is_utf8(text: bytes) -> bool:
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _show(line: bytes) -> str:
    """Readable form of any bytes: what is no UTF-8, and NUL, is written as \\xNN."""
    return line.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def _strings(offsets: np.ndarray, data: bytes) -> pa.StringArray:
    return pa.StringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data))


def _empty_batch() -> LineBatch:
    none = np.zeros(0, np.int64)
    return LineBatch(pa.array([], pa.string()), none, none, none, none)
