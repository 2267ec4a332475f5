"""Listing a landing of many folders: the same files whether they are in memory or waited for."""

import itertools
import threading
import time
from pathlib import Path

import pytest

from raw_loaders import landing as listing
from raw_loaders.dictionary import load_dictionary

FOLDERS = 600  # more than are listed in one go


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("landing")
    for number in range(FOLDERS):
        folder = root / f"5m/logs/5m/ensemble_log/date={2000 + number // 28}-01-{number % 28 + 1:02d}/asset=BTCUSDT"
        folder.mkdir(parents=True)
        (folder / "ensemble_log.jsonl").write_text(f"{number}\n")
    return root


@pytest.mark.parametrize("place", ["memory", "disk", "another machine"])
def test_lists_every_file_with_several_readers_only_where_folders_are_waited_for(
    landing: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    readers = set()

    def list_folder(root: str, prefix: str, of=listing._list) -> object:
        readers.add(threading.get_ident())
        if place == "another machine":
            time.sleep(0.002)
        return of(root, prefix)

    blocks = itertools.count(step=100_000) if place == "disk" else itertools.repeat(0)
    monkeypatch.setattr(listing, "_blocks_read", lambda: next(blocks))
    if place != "another machine":  # on a machine that is busy enough anything is waited for
        monkeypatch.setattr(listing, "_FAR", float("inf"))
    monkeypatch.setattr(listing, "_list", list_folder)

    found = listing.list_landing(landing, load_dictionary())

    expected = {str(path.relative_to(landing)): path.stat().st_size for path in landing.rglob("*.jsonl")}
    assert {file.source_file: file.size for file in found.files} == expected
    assert len(found.files) == FOLDERS
    assert all(file.facts.stream == "ensemble_log" for file in found.files)
    assert (len(readers) > 1) == (place != "memory")
