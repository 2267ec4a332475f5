"""One warehouse holds one landing: a demo makes room for real logs, nothing else is ever replaced."""

import json
from pathlib import Path

import duckdb
import pytest

from dagster_project.landing import (
    WarehouseGoneError,
    check_warehouse_is_there,
    make_demo_landing,
    make_room_for_real_logs,
)
from dagster_project.settings import Settings
from raw_loaders.errors import LandingError
from raw_loaders.load import load_landing
from raw_tables import FILLS, fill, line, member, put
from serving.places import serve_file


def landing(folder: Path, *, is_synthetic: bool) -> Path:
    put(folder, FILLS, member(line(fill(1))))
    if is_synthetic:
        put(folder, "_SYNTHETIC.json", json.dumps({"seed": 1}).encode())
    return folder


def test_a_demo_warehouse_is_set_aside_for_real_logs(tmp_path: Path) -> None:
    demo = Settings(landing=landing(tmp_path / "demo", is_synthetic=True), data=tmp_path / "data")
    load_landing(demo.landing, demo.warehouse)
    real = Settings(landing=landing(tmp_path / "real", is_synthetic=False), data=tmp_path / "data")
    assert "set aside as" in make_room_for_real_logs(real)
    assert (tmp_path / "data" / "warehouse.demo.duckdb").is_file()
    assert not real.warehouse.exists()
    load_landing(real.landing, real.warehouse)


@pytest.mark.parametrize(("held", "named"), [(False, True), (False, False), (True, True)])
def test_any_other_pair_is_left_alone_and_refused_by_the_loader(tmp_path: Path, held: bool, named: bool) -> None:
    first = Settings(landing=landing(tmp_path / "first", is_synthetic=held), data=tmp_path / "data")
    load_landing(first.landing, first.warehouse)
    before = first.warehouse.read_bytes()
    second = Settings(landing=landing(tmp_path / "second", is_synthetic=named), data=tmp_path / "data")
    assert make_room_for_real_logs(second) is None
    with pytest.raises(LandingError, match="name another warehouse"):
        load_landing(second.landing, second.warehouse)
    assert first.warehouse.read_bytes() == before


def test_a_demo_is_not_set_aside_for_a_landing_that_does_not_exist(tmp_path: Path) -> None:
    demo = Settings(landing=landing(tmp_path / "demo", is_synthetic=True), data=tmp_path / "data")
    load_landing(demo.landing, demo.warehouse)
    assert make_room_for_real_logs(Settings(landing=tmp_path / "nowhere", data=tmp_path / "data")) is None
    assert demo.warehouse.is_file()


def test_a_demo_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    put(tmp_path, "landing/in_the_way.txt", b"")
    with pytest.raises(LandingError, match="could not be written"):
        make_demo_landing(tmp_path / "landing")


def test_the_marts_and_versions_of_a_demo_are_set_aside_with_it(tmp_path: Path) -> None:
    demo = Settings(landing=landing(tmp_path / "demo", is_synthetic=True), data=tmp_path / "data")
    load_landing(demo.landing, demo.warehouse)
    duckdb.connect(str(serve_file(demo.warehouse))).close()
    put(demo.data, "published/versions/1.duckdb", b"version")
    make_room_for_real_logs(Settings(landing=landing(tmp_path / "real", is_synthetic=False), data=tmp_path / "data"))
    assert sorted(path.name for path in demo.data.iterdir()) == [
        "published.demo",
        "warehouse.demo.duckdb",
        "warehouse.demo.serve.duckdb",
    ]


def test_a_warehouse_that_was_moved_away_is_not_silently_made_anew(tmp_path: Path) -> None:
    settings = Settings(landing=tmp_path / "landing", data=tmp_path / "data")
    check_warehouse_is_there(settings)  # nothing was published yet: a first run
    put(settings.data, "published/versions/1.duckdb", b"version")
    with pytest.raises(WarehouseGoneError, match="put it back"):
        check_warehouse_is_there(settings)
    assert not settings.warehouse.exists()
