"""Replaces a folder of exports whole or not at all."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from exports.errors import writing_to


@contextmanager
def replacing(folder: Path, is_replaced: Callable[[str], bool] = lambda name: True) -> Iterator[Path]:
    """A new folder to write into, which takes the place of `folder` when the block ends well, and vanishes when it fails.

    Files of `folder` whose names are not `is_replaced` are in the new one too; by default it is empty. A crash at any point
    leaves the old folder or the new one, at the latest once the next call has tidied up. Raises NoSpaceError or DestinationError
    when the destination is full, gone or not writable.
    """
    fresh, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    with writing_to(str(folder)):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if old.exists() and not folder.exists():
            old.rename(folder)
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh.mkdir()
        for path in sorted(folder.iterdir()) if folder.exists() else ():
            if not is_replaced(path.name):
                shutil.copy2(path, fresh / path.name)
        try:
            yield fresh
            for path in fresh.rglob("*"):
                _sync(path)
            _sync(fresh)
            if folder.exists():
                folder.rename(old)
            fresh.rename(folder)
            _sync(folder.parent)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
