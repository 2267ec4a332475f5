"""From an open file to a stream of Arrow batches that DuckDB can read."""

import queue
import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from raw_loaders.blocks import FileWindow
from raw_loaders.gzip_reader import GzipReader
from raw_loaders.lines import LineBatch, LineSplitter, ResumePoint
from raw_loaders.plain_reader import plain_events

_PLACE = [
    ("line_no", pa.int64()),
    ("byte_offset", pa.int64()),
    ("member_no", pa.int64()),
    ("member_offset", pa.int64()),
]
LINE_SCHEMA = pa.schema([("line", pa.string()), *_PLACE])
REJECT_SCHEMA = pa.schema(
    [*LINE_SCHEMA, ("reader_reason", pa.string()), ("reader_text", pa.string()), ("text_bytes", pa.int64())]
)
READ_AHEAD_BATCHES = 1
READ_AHEAD_FROM_BYTES = 8 << 20


class LineStream:
    """One pass over a file from a resume point. After the batches are used up, `splitter` knows what was seen.

    `fault` is the error that ended the pass early, if one did.
    """

    def __init__(
        self, window: FileWindow, start: ResumePoint, *, is_gzip: bool, refused: Sequence[tuple[int, int, str]] = ()
    ) -> None:
        self.splitter = LineSplitter(start, is_plain=not is_gzip, refused=refused)
        events = (
            GzipReader(window).events(start.file_offset, start.member_no) if is_gzip else plain_events(window, start.file_offset)
        )
        batches = self.splitter.split(events)
        is_large = window.end - start.file_offset >= READ_AHEAD_FROM_BYTES
        self._batches = self._noting_fault(_read_ahead(batches) if is_large else batches)
        self.fault: Exception | None = None

    def _noting_fault(self, batches: Iterator[LineBatch]) -> Iterator[LineBatch]:
        try:
            yield from batches
        except Exception as error:
            self.fault = error
            raise

    def close(self) -> None:
        """End the pass where it stands: neither the decoding thread nor a reader may outlive it."""
        while True:
            try:
                return self._batches.close()
            except ValueError:  # a thread of the database is just fetching its last batch
                time.sleep(0.01)

    def clean_lines(self) -> pa.RecordBatchReader:
        """Only the lines a database may see, with their places (LINE_SCHEMA)."""
        return pa.RecordBatchReader.from_batches(LINE_SCHEMA, map(_clean_lines, self._batches))

    def all_lines(self) -> pa.RecordBatchReader:
        """All lines; those the reader refuses have no `line` but a reader_reason, reader_text and text_bytes (REJECT_SCHEMA)."""
        return pa.RecordBatchReader.from_batches(REJECT_SCHEMA, map(_all_lines, self._batches))


def _clean_lines(batch: LineBatch) -> pa.RecordBatch:
    places = [_int64(getattr(batch, name)) for name, _ in _PLACE]
    return pa.record_batch([batch.lines, *places], schema=LINE_SCHEMA)


def _int64(values: np.ndarray) -> pa.Int64Array:
    """The numbers as an Arrow array, without a copy."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def _all_lines(batch: LineBatch) -> pa.RecordBatch:
    refused = batch.rejects
    none = [None] * len(batch.lines)
    places = [
        pa.array(np.concatenate([getattr(batch, name), np.array([getattr(r, name) for r in refused], np.int64)]))
        for name, _ in _PLACE
    ]
    lines = pa.concat_arrays([batch.lines, pa.nulls(len(refused), pa.string())])
    reasons = pa.array([*none, *(r.reason for r in refused)], pa.string())
    texts = pa.array([*none, *(r.text for r in refused)], pa.string())
    sizes = pa.array([*none, *(r.text_bytes for r in refused)], pa.int64())
    return pa.record_batch([lines, *places, reasons, texts, sizes], schema=REJECT_SCHEMA)


def _read_ahead(batches: Iterator[LineBatch]) -> Iterator[LineBatch]:
    """Decode in a second thread while the database takes in the batch before (only worth a thread for large files)."""
    ready: queue.Queue[LineBatch | BaseException | None] = queue.Queue(READ_AHEAD_BATCHES)
    is_stopped = threading.Event()

    def put(item: LineBatch | BaseException | None) -> None:
        while not is_stopped.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue
        return None

    def produce() -> None:
        try:
            for batch in batches:
                put(batch)
                if is_stopped.is_set():
                    return
            put(None)
        except BaseException as error:  # handed to the reading side, which raises it
            put(error)

    thread = threading.Thread(target=produce, name="decode", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        is_stopped.set()
        thread.join()
