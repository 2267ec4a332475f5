"""The folder of the published versions.

<published>/serve.duckdb            what readers open: another name (hard link) of the newest version
<published>/versions/<id>.duckdb    the last versions; an id is the instant of publication and sorts like it
<published>/versions/*.part         a version that is being written, or that a crash left behind
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

CURRENT = "serve.duckdb"
_LOCK = ".publish.lock"


def serve_file(warehouse: Path) -> Path:
    """The file with the marts that belongs to a warehouse file: beside it, as dbt's profile has it."""
    return warehouse.with_name(warehouse.name.removesuffix(".duckdb") + ".serve.duckdb")


def literal(path: Path) -> str:
    """A path as a literal of SQL."""
    return "'" + str(path).replace("'", "''") + "'"


def versions_folder(published: Path) -> Path:
    """Where the versions lie."""
    return published / "versions"


def list_versions(published: Path) -> list[Path]:
    """The whole versions, oldest first."""
    return sorted(versions_folder(published).glob("*.duckdb"), key=lambda path: path.stem)


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
    current, fresh = published / CURRENT, published / f".{CURRENT}.{version.stem}"
    fresh.unlink(missing_ok=True)
    os.link(version, fresh)
    fresh.replace(current)
    sync(published)


def prune(published: Path, keep: int) -> list[Path]:
    """Remove all but the newest `keep` versions, and what crashed publications left. Returns what was removed.

    An open reader of a removed version is not disturbed: its file lives until it closes it.
    """
    folder = versions_folder(published)
    old = list_versions(published)[: -max(keep, 1)]
    left = [*folder.glob("*.part"), *folder.glob("*.wal"), *published.glob(f".{CURRENT}.*")]
    for path in (*old, *left):
        path.unlink(missing_ok=True)
    return [*old, *left]
