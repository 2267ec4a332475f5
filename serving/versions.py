"""The folder of the published versions.

<published>/serve.duckdb                   what readers open: another name (hard link) of the newest version
<published>/versions/<instant>-<no>.duckdb the last versions; the number goes up by one with each
<published>/versions/spare                 the version that was removed last: the next one is written over it
<published>/versions/*.part                a version that is being written, or that a crash left behind
"""

import contextlib
import datetime as dt
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

CURRENT = "serve.duckdb"
_LOCK = ".publish.lock"


def literal(path: Path) -> str:
    """A path as a literal of SQL."""
    return "'" + str(path).replace("'", "''") + "'"


def versions_folder(published: Path) -> Path:
    """Where the versions lie."""
    return published / "versions"


def spare_file(published: Path) -> Path:
    """The version removed last, if one was."""
    return versions_folder(published) / "spare"


def list_versions(published: Path) -> list[Path]:
    """The whole versions, oldest first: by number, since a clock may be set back."""
    return sorted(versions_folder(published).glob("*-*.duckdb"), key=_number)


def _number(version: Path) -> int:
    return int(version.stem.rsplit("-", 1)[1])


def next_id(published: Path, now: dt.datetime) -> str:
    """Id of the version published at `now`."""
    last = max(map(_number, list_versions(published)), default=0)
    return f"{now:%Y%m%dT%H%M%SZ}-{last + 1:06d}"


@contextlib.contextmanager
def publishing(published: Path) -> Iterator[None]:
    """Hold the right to publish into a folder; waits for whoever has it. It ends with the process, however that ends."""
    with (published / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sync(path: Path) -> None:
    """Make a file or the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def switch(published: Path, version: Path) -> None:
    """Let readers that come from now on see `version`. Those that read go on with the file they opened."""
    fresh = published / f".{CURRENT}.{version.stem}"
    fresh.unlink(missing_ok=True)
    os.link(version, fresh)
    fresh.replace(published / CURRENT)
    sync(published)


def remove_leftovers(published: Path) -> None:
    """Remove what crashed publications left."""
    folder = versions_folder(published)
    for path in (*folder.glob("*.part"), *folder.glob("*.wal"), *published.glob(f".{CURRENT}.*")):
        path.unlink(missing_ok=True)


def prune(published: Path, keep: int) -> list[Path]:
    """Remove all but the newest `keep` versions, never the one that readers open. Returns what was removed, oldest first.

    The newest of the removed becomes the spare. An open reader of a removed version is not disturbed: its file lives until it
    closes it, and a spare that somebody reads is not written over.
    """
    current = published / CURRENT
    removed = [
        version for version in list_versions(published)[: -max(keep, 1)] if not (current.exists() and version.samefile(current))
    ]
    for number, version in enumerate(removed, 1):
        if number < len(removed):
            version.unlink(missing_ok=True)
        else:
            version.replace(spare_file(published))
    return removed
