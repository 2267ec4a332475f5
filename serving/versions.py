"""The folder of the published versions.

<published>/serve.duckdb                   what readers open: another name (hard link) of the newest version
<published>/versions/<instant>-<no>.duckdb the last versions; the number goes up by one with each
<published>/versions/spare                 the version that was removed last: the next one is written over it
<published>/versions/.*.part               a version that is being written, or that a crash left behind
<published>/.publish.lock                  locked, and with the id of the process in it, while one publishes

Other files in these folders are left alone. Versions have no right of writing, so that nobody opens one for that by mistake.
"""

import contextlib
import datetime as dt
import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from serving.errors import PublicationError

CURRENT = "serve.duckdb"
_LOCK = ".publish.lock"
_RETRY_S = 0.1
_VERSION = re.compile(r"\d{8}T\d{6}Z-(\d{6,})\.duckdb")
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


def literal(path: Path) -> str:
    """A path as a literal of SQL."""
    return "'" + str(path).replace("'", "''") + "'"


def versions_folder(published: Path) -> Path:
    """Where the versions lie."""
    return published / "versions"


def spare_file(published: Path) -> Path:
    """The version removed last, if one was."""
    return versions_folder(published) / "spare"


def part_file(version: Path) -> Path:
    """Where `version` is written: under a name that nobody looks for."""
    return version.with_name(f".{version.name}.part")


def log_of(file: Path) -> Path:
    """The write-ahead log that DuckDB looks for beside `file`, whichever file it was written for. Versions have none."""
    return file.with_name(file.name + ".wal")


def list_versions(published: Path) -> list[Path]:
    """The whole versions, oldest first: by number, since a clock may be set back. Other files are left out."""
    return sorted((file for file in versions_folder(published).glob("*.duckdb") if _VERSION.fullmatch(file.name)), key=_number)


def _number(version: Path) -> int:
    return int(_VERSION.fullmatch(version.name)[1])


def next_id(published: Path, now: dt.datetime) -> str:
    """Id of the version published at `now`."""
    last = max(map(_number, list_versions(published)), default=0)
    return f"{now:%Y%m%dT%H%M%SZ}-{last + 1:06d}"


@contextlib.contextmanager
def publishing(published: Path, wait_s: float) -> Iterator[None]:
    """Hold the right to publish into a folder. It ends with the process, however that ends.

    Raises PublicationError, which names the process that has it, when it is not free within `wait_s` seconds.
    """
    file = published / _LOCK
    deadline = time.monotonic() + wait_s
    with file.open("a+") as lock:
        while not _locked(lock.fileno()):
            if time.monotonic() >= deadline:
                lock.seek(0)
                raise PublicationError(
                    f"Another publication (PID {lock.read().strip() or 'unknown'}) has kept {file} locked for {wait_s:.0f} s: "
                    "wait for that process or end it, then publish again; the version before stays."
                )
            time.sleep(_RETRY_S)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync(path: Path) -> None:
    """Make a file or the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def protect(version: Path) -> None:
    """Take the right of writing from a version: who forgets to open it for reading is refused. Root is refused nothing."""
    version.chmod(stat.S_IMODE(version.stat().st_mode) & ~0o222)


def switch(published: Path, version: Path) -> None:
    """Let readers that come from now on see `version`. Those that read go on with the file they opened.

    A write-ahead log beside it is of somebody who opened an older version for writing; DuckDB would apply it to this one.
    Raises PublicationError when the file system has no hard links.
    """
    current = published / CURRENT
    fresh = published / f".{CURRENT}.{version.stem}"
    try:
        fresh.unlink(missing_ok=True)
        try:
            os.link(version, fresh)
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise PublicationError(
                    f"The marts could not be published into {published}: its file system makes no hard links "
                    f"({error.strerror}): keep the data folder on a disk that has them; the version before stays."
                ) from error
            raise
        log_of(current).unlink(missing_ok=True)  # the next reader would take it in
        fresh.replace(current)
        log_of(current).unlink(missing_ok=True)  # it may have been written again meanwhile
    finally:
        fresh.unlink(missing_ok=True)
    sync(published)


def take_back(published: Path, version: Path) -> None:
    """Make a version that readers were not switched over to the spare: failures must not fill the disk with versions."""
    current = published / CURRENT
    if not (current.exists() and version.samefile(current)):
        version.replace(spare_file(published))


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
