"""Destinations of the archive: a local folder, or any file system fsspec knows by its URL.

A name is put whole or not at all, and what lies under a name is only ever replaced by something whole.
"""

import errno
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlparse

import fsspec

from exports.errors import DestinationError, ExportError, writing_to

MARKER = ".bandit-archive"
STAGING = ".staging"
_BLOCK = 4 << 20


class Store(Protocol):
    """A flat set of named files. Names are relative, '/' separated."""

    url: str

    def check(self, *, must_exist: bool) -> None:
        """Make the store ready; with `must_exist` raise DestinationError when it is not the one that was written before."""

    def staging(self) -> Path:
        """A local folder to prepare files in, from which `put` is cheapest."""

    def put(self, staged: Path, name: str) -> None:
        """Move a finished local file to `name`, replacing what is there. The caller's file is gone afterwards."""

    def fetched(self, name: str) -> "Iterator[Path]":
        """Context manager: a local path with the bytes of `name`. Raises FileNotFoundError."""

    def exists(self, name: str) -> bool:
        """Whether `name` is there."""

    def names(self, suffix: str) -> list[str]:
        """All names that end with `suffix`, sorted."""

    def remove(self, name: str) -> None:
        """Remove `name`; nothing happens when it is not there."""


def open_store(url: str | Path) -> Store:
    """The store behind a path, a file:// URL, or any other URL fsspec has a driver for. Nothing is touched yet."""
    text = str(url)
    scheme = urlparse(text).scheme
    if scheme in ("", "file", "local"):
        path = unquote(urlparse(text).path) if scheme else text
        return LocalStore(Path(path).expanduser().absolute())
    try:
        file_system, root = fsspec.core.url_to_fs(text)
    except (ImportError, ValueError) as error:
        raise DestinationError(
            f"The destination {text} cannot be used ({error}): install the driver it needs, or name a local folder."
        ) from error
    return RemoteStore(text, file_system, root)


def blake2b(path: Path) -> str:
    """BLAKE2b-128 of a file's bytes, in hexadecimal."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def put_verified(store: Store, staged: Path, name: str) -> tuple[int, str]:
    """Put a file and read it back. Returns its size and hash; raises DestinationError when other bytes come back."""
    size, written = staged.stat().st_size, blake2b(staged)
    with writing_to(store.url):
        store.put(staged, name)
        with store.fetched(name) as path:
            found = blake2b(path)
    if found != written:
        store.remove(name)
        raise DestinationError(
            f"The destination {store.url} gave back other bytes for {name} than were written: check that disk or service, "
            "then run the same command again; the source stays as it was."
        )
    return size, written


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LocalStore:
    """A folder. Files are prepared in its hidden staging folder, flushed to disk, then renamed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)

    def check(self, *, must_exist: bool) -> None:
        marker = self.root / MARKER
        if must_exist and not marker.is_file():
            raise DestinationError(
                f"The destination {self.url} is not the archive that was written before (its {MARKER} is missing): "
                "mount it, or name it with --new-destination to fill it anew; every source stays as it was."
            )
        with writing_to(self.url):
            self.root.mkdir(parents=True, exist_ok=True)
            if not marker.exists():
                marker.write_text("bandit-warehouse archive; the marker shows that this folder is mounted\n")
            # what a crash left half written is of no use to anybody
            shutil.rmtree(self.root / STAGING, ignore_errors=True)

    def staging(self) -> Path:
        folder = self.root / STAGING
        with writing_to(self.url):
            if not (self.root / MARKER).is_file():  # a mount that went away must not be replaced by an empty folder
                raise FileNotFoundError(2, "it vanished", self.url)
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def put(self, staged: Path, name: str) -> None:
        target = self.root / name
        if not (self.root / MARKER).is_file():
            raise FileNotFoundError(2, "it vanished", self.url)
        target.parent.mkdir(parents=True, exist_ok=True)
        own = self.root / STAGING
        if staged.parent != own:
            own.mkdir(exist_ok=True)
            moved = own / secrets.token_hex(8)
            try:
                shutil.copyfile(staged, moved)
            except OSError:
                moved.unlink(missing_ok=True)
                raise
            staged.unlink()
            staged = moved
        _sync(staged)
        staged.replace(target)
        _sync(target.parent)

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        path = self.root / name
        if not path.is_file():
            raise FileNotFoundError(2, "no such file", str(path))
        yield path

    def exists(self, name: str) -> bool:
        return (self.root / name).is_file()

    def names(self, suffix: str) -> list[str]:
        found = (path for path in self.root.rglob(f"*{suffix}") if STAGING not in path.parts)
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def remove(self, name: str) -> None:
        path = self.root / name
        path.unlink(missing_ok=True)
        for folder in path.relative_to(self.root).parents:
            if folder != Path():
                with suppress(OSError):  # other partitions live here
                    (self.root / folder).rmdir()


class RemoteStore:
    """An fsspec file system. A file is uploaded under another name, then moved; reading downloads to a temporary file."""

    def __init__(self, url: str, file_system: "fsspec.AbstractFileSystem", root: str) -> None:
        self.url = url
        self._fs = file_system
        self._root = root.rstrip("/")
        self._local = tempfile.TemporaryDirectory(prefix="bandit-archive-")

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _calling(self) -> Iterator[None]:
        """Turn whatever a driver raises into a fault with a sentence; drivers pass on the exceptions of their services."""
        try:
            yield
        except (FileNotFoundError, ExportError):
            raise
        except Exception as error:
            fault = error if isinstance(error, OSError) else OSError(errno.EIO, f"{type(error).__name__}: {error}")
            with writing_to(self.url):
                raise fault from error

    def check(self, *, must_exist: bool) -> None:
        with self._calling(), writing_to(self.url):
            has_marker = self._fs.exists(self._path(MARKER))
            if not has_marker and not must_exist:
                self._fs.makedirs(self._root, exist_ok=True)
                self._fs.pipe_file(self._path(MARKER), b"bandit-warehouse archive\n")
        if must_exist and not has_marker:
            raise DestinationError(
                f"The destination {self.url} is not the archive that was written before (its {MARKER} is missing): "
                "name the right one, or fill this one anew with --new-destination; every source stays as it was."
            )

    def staging(self) -> Path:
        return Path(self._local.name)

    def put(self, staged: Path, name: str) -> None:
        part = self._path(f"{STAGING}/{secrets.token_hex(8)}")
        parent = self._path(name).rpartition("/")[0]
        with self._calling():
            self._fs.makedirs(self._path(STAGING), exist_ok=True)
            self._fs.put_file(str(staged), part)
            self._fs.makedirs(parent, exist_ok=True)
            self._fs.mv(part, self._path(name))
        staged.unlink()

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        local = Path(self._local.name) / secrets.token_hex(8)
        try:
            with self._calling():
                self._fs.get_file(self._path(name), str(local))
            yield local
        finally:
            local.unlink(missing_ok=True)

    def exists(self, name: str) -> bool:
        with self._calling():
            return self._fs.exists(self._path(name))

    def names(self, suffix: str) -> list[str]:
        self._fs.invalidate_cache()
        root = self._fs._strip_protocol(self._root)
        with self._calling():
            found = [str(path).removeprefix(root).lstrip("/") for path in self._fs.find(self._root)]
        return sorted(name for name in found if name.endswith(suffix) and not name.startswith(STAGING))

    def remove(self, name: str) -> None:
        with self._calling():
            if self._fs.exists(self._path(name)):
                self._fs.rm_file(self._path(name))
