"""A simulated tree is self-consistent as the bot's own logs are, and its manifest says what is in it."""

import gzip
import hashlib
import itertools
import json
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from raw_loaders.dictionary import load_dictionary
from raw_loaders.simulate import tree as simulate_tree
from raw_loaders.simulate.__main__ import main

ARGUMENTS = ["--seed", "11", "--days", "2", "--assets", "BTCUSDT,ETHUSDT", "--runs", "4", "--trading", "active"]
ARGUMENTS += ["--fills", "1500", "--third-party-fills", "300"]


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "landing"
    assert main([*ARGUMENTS, "--out", str(out), "--truth", str(out.with_name("truth"))]) == 0
    return out


@pytest.fixture(scope="module")
def manifest(landing: Path) -> dict:
    return json.loads(landing.with_name("landing.manifest.json").read_text())


def _lines(file: Path) -> list[str]:
    # gzip.decompress takes quadratic time on many members
    with (gzip.open if file.suffix == ".gz" else Path.open)(file, "rb") as text:
        return text.read().decode().splitlines()


@pytest.fixture(scope="module")
def rows(landing: Path) -> dict[str, list[dict]]:
    """Every record by stream, with who wrote it (keys prefixed with _)."""
    truth = pq.read_table(landing.with_name("truth") / "lines.parquet").to_pylist()
    who = {(row["source_file"], row["line_no"]): row for row in truth}
    out: dict[str, list[dict]] = defaultdict(list)
    for file in sorted(landing.rglob("*.jsonl*")):
        name = file.relative_to(landing).as_posix()
        for number, line in enumerate(_lines(file), start=1):
            row = who.pop((name, number))
            record = json.loads(line) | {"_file": name, "_bot": row["bot"], "_run": row["run_id"], "_burst": row["burst"]}
            record["_at"] = datetime.fromisoformat(record["ts_ist"])
            out[row["stream"]].append(record)
    assert not who
    return out


def _digest(folder: Path) -> dict[str, str]:
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_same_seed_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--days", "1", "--runs", "2", "--third-party-fills", "100", "--defects", "all", "--long-line-mb", "17"]
    for name in ("a", "b", "c"):
        if name == "b":  # the second process for compression must not change anything
            monkeypatch.setattr(simulate_tree, "_WORTH_A_PROCESS", 0)
        seed = "2" if name == "c" else "1"
        folder = tmp_path / name
        assert main(["--out", str(folder / "landing"), "--seed", seed, *arguments]) == 0
    assert _digest(tmp_path / "a") == _digest(tmp_path / "b")
    assert _digest(tmp_path / "a") != _digest(tmp_path / "c")


def test_every_file_is_known_to_the_stream_dictionary(landing: Path) -> None:
    dictionary = load_dictionary()
    kinds = Counter(dictionary.classify(name).stream for name in _digest(landing))
    assert kinds.pop(None) == 1  # the marker
    assert set(kinds) == set(dictionary.bot_streams)
    assert json.loads((landing / "_SYNTHETIC.json").read_text())["is_synthetic"] is True


def test_records_carry_what_their_stream_requires_and_no_more(rows: dict[str, list[dict]]) -> None:
    dictionary = load_dictionary()
    for name in dictionary.bot_streams:
        stream = dictionary.streams[name]
        for record in rows[name]:
            keys = {key for key in record if not key.startswith("_")}
            assert set(stream.required) <= keys <= stream.known_keys, name


def test_manifest_counts_what_lies_in_the_files(landing: Path, manifest: dict, rows: dict[str, list[dict]]) -> None:
    assert {file["source_file"]: file["lines"] for file in manifest["files"]} == {
        file.relative_to(landing).as_posix(): len(_lines(file)) for file in landing.rglob("*.jsonl*")
    }
    for file in manifest["files"]:
        assert file["accepted"] == file["lines"]
        assert file["size_bytes"] == (landing / file["source_file"]).stat().st_size
    assert sum(stream["accepted"] for stream in manifest["streams"].values()) == sum(map(len, rows.values()))


def test_one_member_per_record(landing: Path) -> None:
    for file in landing.rglob("*.gz"):
        assert file.read_bytes().count(b"\x1f\x8b\x08\x08\0\0\0\0\x02\xff") == len(_lines(file))


def test_each_burst_writes_each_stream_once(manifest: dict, rows: dict[str, list[dict]]) -> None:
    bursts = sum(book["bursts"] for run in manifest["runs"] for book in run["books"])
    for stream in ("ensemble_log", "feature_log", "calibration", "order_intent", "calibration_log", "sizing_risk_log",
                   "pnl_equity_log", "signals"):  # fmt: skip
        assert len({record["_burst"] for record in rows[stream]}) == len(rows[stream]) == bursts
    overlay = [record for record in rows["ensemble_log"] if record["_bot"] in ("1h", "12h")]
    assert len(rows["overlay_status"]) == len(overlay)
    assert len(rows["health"]) == len(rows["repro"]) == len(rows["kpi_scorecard"]) == len(rows["market_ingest_log"])


def test_a_burst_keeps_the_order_and_the_times_of_the_real_bot(rows: dict[str, list[dict]]) -> None:
    at: dict[int, dict[str, datetime]] = defaultdict(dict)
    for stream, records in rows.items():
        for record in records:
            if stream not in ("hyperliquid_fills", "costs", "execution_log", "feature_log", "calibration", "order_intent"):
                at[record["_burst"]][stream] = record["_at"]
    order = ("ensemble_log", "overlay_status", "calibration_log", "sizing_risk_log", "pnl_equity_log", "signals", "health",
             "repro", "market_ingest_log", "kpi_scorecard")  # fmt: skip
    for times in at.values():
        stamps = [times[stream] for stream in order if stream in times]
        assert stamps == sorted(stamps) and len(set(stamps)) == len(stamps)
        assert timedelta(0) < times["signals"] - times["pnl_equity_log"] <= timedelta(milliseconds=89)
        assert times["signals"] - times["ensemble_log"] < timedelta(seconds=1.9)
        if "kpi_scorecard" in times:
            assert times["kpi_scorecard"] - times["pnl_equity_log"] <= timedelta(milliseconds=200)


def test_bursts_of_a_process_never_overlap(landing: Path) -> None:
    by_run: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in pq.read_table(landing.with_name("truth") / "bursts.parquet").to_pylist():
        by_run[row["run_id"]].append((row["ensemble_us"], row["last_us"]))
    for spans in by_run.values():
        spans.sort()
        assert all(end < start for (_, end), (start, _) in itertools.pairwise(spans))
    assert max(map(len, by_run.values())) > 50


def test_one_run_is_not_enough(landing: Path, rows: dict[str, list[dict]]) -> None:
    """Replicas decide the same bar at the same time and mix in the same files, and restart their counters."""
    runs = [record["_run"] for record in rows["signals"]]
    assert sum(a != b for a, b in itertools.pairwise(runs)) > len(runs) // 4
    replicas = Counter((r["_bot"], r["asset"], r["event_id"].split(":")[0]) for r in rows["ensemble_log"])
    assert max(replicas.values()) >= 4
    counters = defaultdict(list)
    for record in rows["feature_log"]:
        counters[record["_run"], record["_bot"], record["asset"]].append(record["bar_id"])
    assert all(seen == list(range(len(seen))) for seen in counters.values())


def test_values_agree_across_the_streams_of_a_burst(rows: dict[str, list[dict]]) -> None:
    by_burst = {
        name: {r["_burst"]: r for r in rows[name]} for name in ("ensemble_log", "calibration", "feature_log", "sizing_risk_log")
    }
    for signal in rows["signals"]:
        model, burst = signal["model_out"], signal["_burst"]
        assert model["p_up"] + model["p_down"] + model["p_neutral"] == pytest.approx(1, abs=4e-16)
        assert model["s_model"] == model["p_up"] - model["p_down"]
        assert by_burst["ensemble_log"][burst]["pred_stack_bps"] == round(1e4 * model["s_model"], 1)
        assert by_burst["calibration"][burst]["pred_raw_bps"] == 1e4 * model["s_model"]
        change = by_burst["feature_log"][burst]["price_change_bps"]
        assert change == pytest.approx(1e4 * signal["features"][0], abs=1e-9)
        assert len(signal["features"]) == 17 and signal["features"][14] == signal["features"][15] == signal["cohort"]["pros"]
    for record in rows["pnl_equity_log"]:
        assert record["equity_value"] == pytest.approx(10_000 + record["pnl_total_usd"], abs=1e-6)


def test_each_execution_has_one_costs_record_of_each_shape_around_it(rows: dict[str, list[dict]]) -> None:
    by_burst: dict[int, list[tuple[datetime, str, dict]]] = defaultdict(list)
    for record in rows["execution_log"]:
        by_burst[record["_burst"]].append((record["_at"], "execution", record))
    for record in rows["costs"]:
        by_burst[record["_burst"]].append(
            (record["_at"], "attribution" if "pnl_attrib" in record["costs"] else "breakdown", record)
        )
    most = 0
    for events in by_burst.values():
        events.sort(key=lambda event: event[0])
        assert [kind for _, kind, _ in events] == ["attribution", "execution", "breakdown"] * (len(events) // 3)
        most = max(most, len(events) // 3)
        for (before, _, _), (at, _, execution), (after, _, cost) in zip(*[iter(events)] * 3, strict=True):
            assert timedelta(milliseconds=1) < at - before < timedelta(milliseconds=22)
            assert timedelta(0) < after - at < timedelta(milliseconds=67)
            assert cost["costs"]["trade_notional"] == round(execution["fill_qty"] * execution["fill_px"], 2)
    assert most >= 2  # orders filled in parts


def test_trades_have_what_the_real_extract_lacks(manifest: dict, rows: dict[str, list[dict]]) -> None:
    executions = manifest["executions"]
    assert executions["total"] == len(rows["execution_log"])
    assert abs(executions["total"] - 1500) < 75
    assert min(executions["buys"], executions["sells"]) > 300 and executions["forced"] > 10
    trips = manifest["round_trips"]
    assert {trip["side"] for trip in trips} == {"LONG", "SHORT"}
    assert {trip["status"] for trip in trips} == {"closed", "run_end", "open"}
    assert {trip["exit_reason"] for trip in trips} >= {"SIGNAL_FLIP", "STOP_LOSS", "TIME_EXIT", "RUN_END", None}
    assert {record["_bot"] for record in rows["execution_log"]} >= {"5m", "1h", "24h"}
    inverted = [a["_at"] > b["_at"] for name in {r["_file"] for r in rows["execution_log"]}
                for a, b in itertools.pairwise([r for r in rows["execution_log"] if r["_file"] == name])]  # fmt: skip
    assert sum(inverted) > 5  # late ones


def test_profit_of_the_manifest_is_the_cash_flow_of_the_logs(manifest: dict, rows: dict[str, list[dict]]) -> None:
    """Independent of lots and episodes: where a book ends flat, its round trips must sum to the money that came out."""
    cash: dict[tuple, Decimal] = defaultdict(Decimal)
    position: dict[tuple, Decimal] = defaultdict(Decimal)
    fees: dict[tuple, Decimal] = defaultdict(Decimal)
    for record in rows["execution_log"]:
        book = (record["run_id"], record["_bot"], record["asset"])
        sign = 1 if record["side"] == "BUY" else -1
        qty, px = Decimal(str(record["fill_qty"])), Decimal(str(record["fill_px"]))
        assert qty.as_tuple().exponent >= -6 and px.as_tuple().exponent >= -5
        position[book] += sign * qty
        cash[book] -= sign * qty * px
    for record in rows["costs"]:
        if "fee_usd" in record["costs"]:
            fees[record["_run"], record["_bot"], record["symbol"]] += Decimal(str(record["costs"]["fee_usd"]))
    gross: dict[tuple, Decimal] = defaultdict(Decimal)
    net: dict[tuple, Decimal] = defaultdict(Decimal)
    charged: dict[tuple, Decimal] = defaultdict(Decimal)
    left: dict[tuple, Decimal] = defaultdict(Decimal)
    for trip in manifest["round_trips"]:
        book = (trip["run_id"], trip["bot"], trip["symbol"])
        gross[book] += Decimal(trip["gross_usd"])
        net[book] += Decimal(trip["net_usd"])
        charged[book] += Decimal(trip["fee_usd"])
        left[book] += (1 if trip["side"] == "LONG" else -1) * (Decimal(trip["entry_qty"]) - Decimal(trip["exit_qty"]))
    assert left == position
    assert charged == fees
    flat = [book for book in position if position[book] == 0]
    assert len(flat) >= 3
    for book in flat:
        assert gross[book] == cash[book]
        assert net[book] == cash[book] - fees[book]


def test_guards_fire_as_the_manifest_says(manifest: dict, rows: dict[str, list[dict]]) -> None:
    logged = Counter(
        (r["_run"], r["_bot"], r["symbol"], r["ts"], r["decision"]["details"]["mode"])
        for r in rows["signals"]
        if "mode" in r["decision"]["details"]
    )
    stated = Counter((g["run_id"], g["bot"], g["symbol"], g["bar_open_ms"], g["token"]) for g in manifest["guards"])
    assert logged == stated
    assert {g["token"] for g in manifest["guards"]} >= {
        "calibration_band_gate",
        "funding_guard",
        "adv_order_cap",
        "throttle_guard",
    }
    assert {g["is_causal"] for g in manifest["guards"] if g["token"] == "calibration_band_gate"} == {True, False}
    by_key = {(r["_run"], r["_bot"], r["symbol"], r["ts"]): r for r in rows["signals"]}
    for guard in manifest["guards"]:
        signal = by_key[guard["run_id"], guard["bot"], guard["symbol"], guard["bar_open_ms"]]
        assert (signal["decision"]["details"]["chosen"] is not None) == (guard["intended_direction"] != 0)
        if guard["token"] == "funding_guard":
            assert abs(signal["features"][12]) > 0.1 and signal["features"][12] * guard["intended_direction"] > 0


def test_decisions_follow_the_thresholds(rows: dict[str, list[dict]]) -> None:
    """The rule of the model arms, and the flip: more probability down means BUY."""
    limits = {"5m": (0.55, 0.02), "1h": (0.60, 0.10), "12h": (0.60, 0.10), "24h": (0.55, 0.02)}
    intents = {record["_burst"]: record["side"] for record in rows["order_intent"]}
    traded = 0
    for signal in rows["signals"]:
        model, details = signal["model_out"], signal["decision"]["details"]
        confidence, strength = limits[signal["_bot"]]
        eligible = max(model["p_up"], model["p_down"]) >= confidence and abs(model["s_model"]) >= strength
        assert details["eligible"]["model_meta"] == details["eligible"]["model_bma"] == eligible
        if eligible:
            traded += 1
            assert intents[signal["_burst"]] == ("BUY" if model["p_down"] > model["p_up"] else "SELL")
        elif not details["eligible"]["pros"]:
            assert details["chosen"] is None and intents[signal["_burst"]] == "HOLD"
    assert traded > 100


def test_partitions_are_ist_dates_of_emission(rows: dict[str, list[dict]]) -> None:
    differing = 0
    for records in rows.values():
        for record in records:
            if "/date=" not in record["_file"]:
                continue
            date = record["_file"].split("/date=")[1][:10]
            assert date == record["ts_ist"][:10]
            differing += date != record["_at"].astimezone(timezone.utc).date().isoformat()  # noqa: UP017
    assert differing > 1000  # emissions between 18:30 and 24:00 UTC


def test_third_party_fills_show_one_multiplicity_everywhere(manifest: dict, rows: dict[str, list[dict]]) -> None:
    seen: dict[str, Counter] = defaultdict(Counter)
    for record in rows["hyperliquid_fills"]:
        seen[record["event_id"]][record["run_id"], record["_bot"]] += 1
        assert record["_at"].timestamp() * 1000 > record["ts"]
    assert all(len(set(counts.values())) == 1 for counts in seen.values())
    once = {event_id: next(iter(counts.values())) for event_id, counts in seen.items()}
    assert max(once.values()) > 1 and max(map(len, seen.values())) > 4
    for asset, fills in manifest["third_party_fills"].items():
        assert sum(n for event_id, n in once.items() if f":{asset}:" in event_id) == fills["true_fills"]
    lateness = [record["_at"].timestamp() - record["ts"] / 1000 for record in rows["hyperliquid_fills"]]
    assert max(lateness) > 2 * 86_400


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--days", "0"], "--days must be at least 1"),
        (["--assets", "BTCUSDT,BTCUSDT"], "--assets must name"),
        (["--defects", "gremlins"], "none of: repolled_rows"),
    ],
)
def test_bad_arguments_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert main(["--out", str(tmp_path / "x"), *arguments]) == 2
    message = capsys.readouterr().err
    assert expected in message and message.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_a_folder_in_use_is_not_overwritten(landing: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = _digest(landing)
    assert main(["--out", str(landing)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert _digest(landing) == before


@pytest.mark.parametrize("flags", [[], ["--one-member"]])
def test_one_big_file(tmp_path: Path, flags: list[str]) -> None:
    file = tmp_path / "fills" / "hyperliquid_fills.jsonl.gz"
    assert main(["--stream-records", "90001", "--file", str(file), *flags]) == 0
    records = [json.loads(line) for line in _lines(file)]
    assert len(records) == 90001
    assert set(load_dictionary().streams["hyperliquid_fills"].required) <= set(records[-1])
    assert file.read_bytes().count(b"hyperliquid_fills.jsonl\0") == (1 if flags else 90001)
