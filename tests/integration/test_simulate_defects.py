"""Each defect lies where the manifest says, and whatever is whole around it stays whole."""

import gzip
import itertools
import json
import zlib
from pathlib import Path

import pytest

from raw_loaders.simulate.__main__ import main
from raw_loaders.simulate.defects import KINDS

BYTE_DEFECTS = ("stray_bytes", "crc_mismatch", "corrupt_member", "truncated_member")


@pytest.fixture(scope="module", params=[False, True], ids=["member_per_record", "one_member"])
def damaged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict, bool]:
    """The same tree clean and with all defects, the manifest, and whether gzip files have one member only."""
    folder = tmp_path_factory.mktemp("damaged")
    arguments = [
        "--seed",
        "5",
        "--days",
        "2",
        "--runs",
        "3",
        "--third-party-fills",
        "200",
        *(["--one-member"] if request.param else []),
    ]
    assert main(["--out", str(folder / "clean"), *arguments]) == 0
    assert main(["--out", str(folder / "bad"), "--defects", "all", "--long-line-mb", "17", *arguments]) == 0
    return folder / "clean", folder / "bad", json.loads((folder / "bad.manifest.json").read_text()), request.param


def _facts(manifest: dict, kind: str) -> dict:
    (name,) = [defect["source_file"] for defect in manifest["defects"] if defect["kind"] == kind]
    return next(file for file in manifest["files"] if file["source_file"] == name)


def _good_text(content: bytes, facts: dict) -> bytes:
    """Text of everything outside the damaged ranges."""
    text, at = b"", 0
    for damage in [*facts["damaged"], {"byte_start": len(content), "byte_end": len(content)}]:
        piece = content[at : damage["byte_start"]]
        text += gzip.decompress(piece) if piece else b""
        at = damage["byte_end"]
    return text


def _member_fault(member: bytes) -> str:
    """What the standard library finds wrong with one gzip member."""
    decoder = zlib.decompressobj(31)
    try:
        decoder.decompress(member)
    except zlib.error as error:
        return "crc_mismatch" if "incorrect data check" in str(error) else "corrupt_member"
    return "whole" if decoder.eof else "truncated_member"


def test_all_defects_are_placed_in_files_of_their_own(damaged: tuple[Path, Path, dict, bool]) -> None:
    _, bad, manifest, _ = damaged
    assert [defect["kind"] for defect in manifest["defects"]] == list(KINDS)
    assert len({defect["source_file"] for defect in manifest["defects"]}) == len(KINDS)
    for file in manifest["files"]:
        late = file["source_file"] == _facts(manifest, "late_file")["source_file"]
        path = (bad.with_name("bad.late") if late else bad) / file["source_file"]
        assert path.stat().st_size == file["size_bytes"]
        assert file["lines"] == file["accepted"] + sum(file["rejected"].values())


def test_untouched_files_are_those_of_the_clean_tree(damaged: tuple[Path, Path, dict, bool]) -> None:
    clean, bad, manifest, _ = damaged
    touched = {defect["source_file"] for defect in manifest["defects"]}
    same = [file for file in clean.rglob("*.jsonl*") if file.relative_to(clean).as_posix() not in touched]
    assert len(same) > 20
    for file in same:
        assert (bad / file.relative_to(clean)).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("kind", BYTE_DEFECTS)
def test_damaged_ranges_are_exact(damaged: tuple[Path, Path, dict, bool], kind: str) -> None:
    clean, bad, manifest, is_one_member = damaged
    facts = _facts(manifest, kind)
    content = (bad / facts["source_file"]).read_bytes()
    original = gzip.decompress((clean / facts["source_file"]).read_bytes())
    assert facts["damaged"] and all(damage["reason"] == kind for damage in facts["damaged"])
    good = _good_text(content, facts)
    whole_lines = set(original.splitlines())
    assert set(good.splitlines()) <= whole_lines
    for damage in facts["damaged"]:
        piece = content[damage["byte_start"] : damage["byte_end"]]
        assert damage["min_lost_records"] >= 1
        if kind == "stray_bytes":
            assert 1 <= len(piece) <= 3
        else:
            assert _member_fault(piece) == kind
    assert facts["rejected"] == ({"crc_mismatch": facts["damaged"][0]["min_lost_records"]} if kind == "crc_mismatch" else {})
    if kind == "stray_bytes":
        assert good == original and facts["lines"] == len(original.splitlines())
        starts = [damage["byte_start"] for damage in facts["damaged"]]
        assert len(starts) == 3 and min(starts) > 3 and all(b - a > 3 for a, b in itertools.pairwise(starts))
    elif not is_one_member:
        assert len(good.splitlines()) == facts["accepted"] == len(original.splitlines()) - 1
    elif kind == "truncated_member":  # the records before the cut can still be read
        start = facts["damaged"][0]["byte_start"]
        text = zlib.decompressobj(31).decompress(content[start:])
        assert facts["accepted"] == text.count(b"\n") > 100
        assert original.startswith(text)


def _lines(damaged: tuple[Path, Path, dict, bool], kind: str) -> tuple[list[bytes], list[bytes], dict]:
    """Lines of the file in the clean and in the damaged tree."""
    clean, bad, manifest, _ = damaged
    facts = _facts(manifest, kind)
    texts = [(root / facts["source_file"]).read_bytes() for root in (clean, bad)]
    if facts["source_file"].endswith(".gz"):
        texts = [gzip.decompress(text) for text in texts]
    before, after = (text.split(b"\n") for text in texts)
    return before[:-1], after if after[-1] else after[:-1], facts


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("nul_byte", "nul_byte"),
        ("invalid_utf8", "invalid_utf8"),
        ("invalid_json", "invalid_json"),
        ("not_an_object", "not_an_object"),
        ("missing_key", "missing_key"),
        ("bad_clock", "bad_clock"),
        ("blank_line", "blank_line"),
        ("long_line", "line_too_long"),
        ("long_line_gzip", "line_too_long"),
        ("half_line", "incomplete_line"),
    ],
)
def test_one_bad_line_among_the_good_ones(damaged: tuple[Path, Path, dict, bool], kind: str, reason: str) -> None:
    before, after, facts = _lines(damaged, kind)
    assert facts["rejected"] == {reason: 1} and facts["accepted"] == len(before)
    added = next(index for index, line in enumerate(after) if index >= len(before) or line != before[index])
    assert after[:added] + after[added + 1 :] == before
    line = after[added]
    checks = {
        "nul_byte": lambda: b"\0" in line,
        "invalid_utf8": lambda: "\ufffd" in line.decode("utf-8", "replace"),
        "not_an_object": lambda: not isinstance(json.loads(line), dict),
        "missing_key": lambda: "asset" not in json.loads(line),
        "bad_clock": lambda: json.loads(line)["ts_ist"].startswith("xx"),
        "blank_line": lambda: not line.strip() and line,
        "line_too_long": lambda: len(line) == 17_000_000 and json.loads(line),
        "incomplete_line": lambda: added == len(before),
        "invalid_json": lambda: True,
    }
    assert checks[reason]()
    if reason in ("invalid_json", "incomplete_line"):
        with pytest.raises(json.JSONDecodeError):
            json.loads(line)


def test_unknown_key_is_accepted_and_named(damaged: tuple[Path, Path, dict, bool]) -> None:
    before, after, facts = _lines(damaged, "unknown_key")
    assert facts["accepted"] == len(before) == len(after) and facts["unknown_keys"] == {"venue_latency_ms": 1}
    (changed,) = [json.loads(line) for line, old in zip(after, before, strict=True) if line != old]
    assert changed["venue_latency_ms"] == 12


def test_repolled_rows_belong_to_a_run_that_did_nothing_else(damaged: tuple[Path, Path, dict, bool]) -> None:
    before, after, facts = _lines(damaged, "repolled_rows")
    added = [json.loads(line) for line in after[len(before) :]]
    assert after[: len(before)] == before and facts["accepted"] == len(after) and len(added) > 1
    assert len({record["run_id"] for record in added}) == 1
    known = [json.loads(line)["event_id"] for line in before]
    assert {record["event_id"] for record in added} <= set(known)
    (run,) = [run for run in damaged[2]["runs"] if run["kind"] == "poll_only"]
    assert run["run_id"] == added[0]["run_id"] and run["books"] == []


def test_files_that_are_no_gzip_or_empty(damaged: tuple[Path, Path, dict, bool]) -> None:
    _, bad, manifest, _ = damaged
    for kind in ("not_gzip_plain", "not_gzip_random"):
        facts = _facts(manifest, kind)
        whole = {"byte_start": 0, "byte_end": facts["size_bytes"], "reason": "not_gzip", "min_lost_records": 1}
        assert facts["damaged"] == [whole] and facts["lines"] == 0
        assert b"\x1f\x8b" not in (bad / facts["source_file"]).read_bytes()
    empty = _facts(manifest, "empty_file")
    assert (empty["size_bytes"], empty["lines"], empty["damaged"]) == (0, 0, [])


def test_late_file_is_held_back(damaged: tuple[Path, Path, dict, bool]) -> None:
    clean, bad, manifest, _ = damaged
    name = _facts(manifest, "late_file")["source_file"]
    assert not (bad / name).exists()
    assert (bad.with_name("bad.late") / name).read_bytes() == (clean / name).read_bytes()
