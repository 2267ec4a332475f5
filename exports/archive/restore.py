"""Brings archived partitions back as landing files, from the stores alone: no warehouse is needed."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from exports.archive.files import CARDS, ORIGINALS
from exports.archive.parquet import Content, note_of, verify_partition
from exports.archive.partitions import PartitionKey, Selection
from exports.archive.run import Destinations
from exports.archive.stores import Store, blake2b, open_store
from exports.archive.texts import GapError, archived_members, gzip_member, text_hash_of_file
from exports.errors import ConflictError, CorruptArchiveError, DestinationError, SelectionError, writing_to


@dataclass
class Restored:
    """What a restore did, or with `is_dry_run` would do. `unfinished` are files of which the archive has the first lines only."""

    is_dry_run: bool
    partitions: list[PartitionKey] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)


@dataclass
class _File:
    """A landing file to bring back: from its parts, or from the copy of the whole file where `card` says so."""

    source_file: str
    is_gzip: bool
    is_synthetic: bool
    parts: list[tuple[Store, str]]
    card: dict[str, object] | None = None

    @property
    def is_original(self) -> bool:
        return self.card is not None and self.card["kept_as"] == "original"


def restore(destinations: Destinations, into: Path, *, selection: Selection, dry_run: bool = False) -> Restored:
    """Write the landing files of the selected partitions below `into`, each file whole: same path, same lines, same members.

    A file whose lines lie in several partitions is brought back from all of them. Files that are there with the same text are
    left alone. Raises SelectionError when nothing is selected, CorruptArchiveError when a copy is not what it says,
    ConflictError when a file in `into` holds something else; nothing is written before all of that is checked.
    """
    index = _index(destinations)
    wanted = sorted(key for key in index if selection.has(key))
    if not wanted:
        raise SelectionError(
            f"No partition of that selection is in {destinations.warm} or {destinations.archive}: `archive status` lists what is."
        )
    archive = open_store(destinations.archive)
    files = _files_of(archive, index, wanted)
    result = Restored(dry_run, wanted)
    todo, checked = [], set()
    for file in files:
        found = _checked_hash(file, archive, checked)
        target = into / file.source_file
        if target.exists():
            if (blake2b(target) if file.is_original else text_hash_of_file(target, is_gzip=file.is_gzip)) != found:
                raise ConflictError(
                    f"{target} is there and differs from the archive: restore into another folder; nothing was written."
                )
            result.present.append(file.source_file)
        else:
            todo.append(file)
        if file.card is None:
            result.unfinished.append(file.source_file)
    for file in todo:
        if not dry_run:
            with writing_to(str(into)):
                _write(file, archive, into)
        result.written.append(file.source_file)
    if not dry_run:
        _write_marker(archive, files, into)
    return result


def _index(destinations: Destinations) -> dict[PartitionKey, tuple[Store, str]]:
    """Every partition with the store that has it; the archive wins where a move was cut short."""
    found = {}
    for url in (destinations.warm, destinations.archive):
        store = open_store(url)
        try:
            names = store.names(".parquet")
        except OSError as error:
            raise DestinationError(
                f"The archive {url} cannot be read ({error}): make it available, then restore again."
            ) from error
        found |= {key: (store, name) for name in names if (key := PartitionKey.from_name(name))}
    return found


def _files_of(archive: Store, index: Mapping[PartitionKey, tuple[Store, str]], wanted: list[PartitionKey]) -> list[_File]:
    """The landing files of `wanted`, each with all partitions that hold lines of it."""
    streams = {key.stream for key in wanted}
    holders: dict[str, _File] = {}
    selected: set[str] = set()
    for key, place in sorted(index.items()):
        if key.stream in streams:
            for entry in _note(*place).files:
                file = holders.setdefault(
                    entry["source_file"], _File(entry["source_file"], entry["is_gzip"], entry["is_synthetic"], [])
                )
                file.parts.append(place)
                if key in wanted:
                    selected.add(file.source_file)
    cards = dict(_cards(archive))
    for file in holders.values():
        file.card = cards.get(file.source_file)
    return [file for name, file in sorted(holders.items()) if name in selected]


def _note(store: Store, name: str) -> Content:
    with store.fetched(name) as path:
        return note_of(path, f"{store.url}/{name}")


def _cards(store: Store) -> Iterator[tuple[str, dict[str, object]]]:
    for name in store.names(".json"):
        if name.startswith(CARDS):
            with store.fetched(name) as path:
                card = json.loads(path.read_text())
            yield card["source_file"], card


def _checked_hash(file: _File, archive: Store, checked: set[str]) -> str:
    """Read everything a file is made from and compare with what was verified. Returns the hash of its text, or of an original."""
    if file.is_original:
        with archive.fetched(ORIGINALS + file.source_file) as path:
            if blake2b(path) != file.card["file_hash"]:
                raise CorruptArchiveError(f"The copy of {file.source_file} in {archive.url} has other bytes than were archived.")
        return file.card["file_hash"]
    for store, name in file.parts:
        if name not in checked:
            with store.fetched(name) as path:
                verify_partition(path, note_of(path), name)
            checked.add(name)
    digest = hashlib.blake2b(digest_size=16)
    try:
        for _, text in archived_members(file.parts, file.source_file):
            digest.update(text)
    except GapError as error:
        raise CorruptArchiveError(
            f"{file.source_file} cannot be brought back: {error}; restore a copy of that partition first."
        ) from error
    except duckdb.Error as error:
        raise CorruptArchiveError(f"{file.source_file} cannot be brought back: {str(error).splitlines()[0]}.") from error
    if file.card and digest.hexdigest() != file.card["text_hash"]:
        raise CorruptArchiveError(
            f"{file.source_file} cannot be brought back: its records do not give the text that was archived; a partition "
            "of it was replaced or lost since."
        )
    return digest.hexdigest()


def _write(file: _File, archive: Store, into: Path) -> None:
    target = into / file.source_file
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        if file.is_original:
            with archive.fetched(ORIGINALS + file.source_file) as copy:
                shutil.copyfile(copy, part)
        else:
            with part.open("wb") as out:
                for _, text in archived_members(file.parts, file.source_file):
                    out.write(gzip_member(text) if file.is_gzip else text)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _write_marker(archive: Store, files: list[_File], into: Path) -> None:
    """What a simulator wrote must not come back as real."""
    for name in {file.card["synthetic_marker"] for file in files if file.is_synthetic and file.card}:
        if not (into / name).exists():
            with archive.fetched(ORIGINALS + name) as copy, writing_to(str(into)):
                shutil.copyfile(copy, into / name)
