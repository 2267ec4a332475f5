"""The metric catalogue, alerts, registry and learning marts against independent references and the simulator's truth."""

import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
import yaml

from raw_loaders.load import load_landing
from raw_loaders.simulate.__main__ import main as simulate
from staged import build, open_warehouse

OPERATORS = {"lt": "__lt__", "le": "__le__", "gt": "__gt__", "ge": "__ge__"}
LEVELS = ["emergency", "critical", "warning", "info"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with `w.duckdb`, a built simulation with the second system, and `manifest.json`."""
    folder = tmp_path_factory.mktemp("catalogue")
    arguments = ["--days", "3", "--runs", "2", "--trading", "active", "--third-party-fills", "100", "--seed", "5"]
    manifest = ["--second-system", "--manifest", str(folder / "manifest.json")]
    assert simulate(["--out", str(folder / "landing"), *arguments, *manifest]) == 0
    load_landing(folder / "landing", folder / "w.duckdb")
    build(folder / "w.duckdb", "--exclude-resource-type", "unit_test", selection=["--select", "+path:models/marts/catalogue"])
    return folder


@pytest.fixture
def con(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(folder / "w.duckdb") as connection:
        yield connection


@pytest.fixture(scope="module")
def truth(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())["second_system"]


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[dict]:
    cursor = con.execute(sql)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_the_count_of_the_catalogue_is_honest(con: duckdb.DuckDBPyConnection) -> None:
    metrics = rows(con, "from marts.dim_metrics")
    assert len(metrics) >= 60
    assert {metric["seed_no"] for metric in metrics} - {None} == set(range(1, 30))
    valued = dict(con.execute("select metric_id, count(value) from marts.metric_values group by 1").fetchall())
    for metric in metrics:
        assert metric["value_count"] == valued.get(metric["metric_id"], 0)
        assert (metric["availability"] == "computed") == (metric["value_count"] > 0)
        assert (metric["availability"] == "computed") == (metric["availability_reason"] is None)
    assert sum(metric["availability"] == "computed" for metric in metrics) >= 60


def test_every_measure_that_a_metric_names_is_made(con: duckdb.DuckDBPyConnection) -> None:
    made = {row[0] for row in con.execute("select distinct measure from intermediate.int_metric_measures").fetchall()}
    named = con.execute("select unnest([numerator, denominator]) from marts.dim_metrics where aggregation <> 'none'").fetchall()
    assert {row[0] for row in named} - {None} <= made


def test_win_rate_and_result_follow_from_the_trades(con: duckdb.DuckDBPyConnection) -> None:
    trips = rows(
        con,
        """
        select bot, closed_date_ist as day, outcome, net_pnl_usd from marts.fct_round_trips
        where status = 'closed' and run_kind = 'live_paper' and is_canonical and is_forced is not true
        """,
    )
    for grain in ("day", "week", "month"):
        groups: dict[tuple[str, date], list[dict]] = defaultdict(list)
        for trip in trips:
            day = trip["day"]
            start = {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[grain]
            for group in ("all", trip["bot"]):
                groups[group, start].append(trip)
        for metric in ("win_rate", "total_pnl_usd"):
            found = rows(
                con,
                f"""
                select * from marts.metric_values where metric_id = '{metric}' and grain = '{grain}'
                and source_system = 'metastacker' and dimension in ('all', 'bot')
                """,
            )
            assert {(row["dimension_value"], row["day_ist"]) for row in found} == set(groups)
            for row in found:
                of_group = groups[row["dimension_value"], row["day_ist"]]
                if metric == "total_pnl_usd":
                    expected = sum((trip["net_pnl_usd"] for trip in of_group), Decimal())
                    assert row["value"] == pytest.approx(float(expected), abs=1e-9)
                    continue
                judged = [trip for trip in of_group if trip["outcome"] in ("win", "loss")]
                won = sum(trip["outcome"] == "win" for trip in judged)
                assert (row["numerator"], row["denominator"], row["n"]) == (won, len(judged), len(judged))
                assert row["value"] == (won / len(judged) if judged else None)


def test_values_are_their_parts(con: duckdb.DuckDBPyConnection) -> None:
    scales = dict(con.execute("select metric_id, scale from marts.dim_metrics").fetchall())
    found = rows(con, "select * from marts.metric_values where value is not null")
    assert len(found) > 1000
    for row in found:
        whole = row["denominator"] if row["denominator"] is not None else 1
        assert row["value"] == pytest.approx(row["numerator"] / whole * scales[row["metric_id"]], rel=1e-12)


def test_the_semantic_layer_gives_the_same_values(con: duckdb.DuckDBPyConnection, repository: Path) -> None:
    layer = yaml.safe_load((repository / "dbt_project/models/marts/catalogue/semantic_models.yml").read_text())
    sums: dict[str, tuple[str, str, str]] = {}
    for model in layer["semantic_models"]:
        table, day = model["model"].split("'")[1], model["defaults"]["agg_time_dimension"]
        sums |= {measure["name"]: (f"sum({measure['expr']})", table, day) for measure in model["measures"]}
    for metric in layer["metrics"]:
        given = metric["type_params"]
        if metric["type"] == "simple":
            value, table, day = sums[given["measure"]]
        else:
            parts = [given.get("numerator"), given.get("denominator")]
            names = parts if metric["type"] == "ratio" else [part["name"] for part in given["metrics"]]
            (above, table, day), (below, other, _) = sums[names[0]], sums[names[1]]
            assert table == other
            value = f"{'10000 * ' if metric['type'] == 'derived' else ''}cast({above} as double) / nullif({below}, 0)"
        wrong, compared = con.execute(
            f"""
            with layer as (select {day} as day_ist, cast({value} as double) as value from marts.{table} group by {day})
            select count(*) filter (where abs(layer.value - own.value) > 1e-9 * greatest(1, abs(own.value))), count(*)
            from marts.metric_values as own
            inner join layer on own.day_ist = layer.day_ist
            where own.metric_id = '{metric["name"]}' and own.grain = 'day' and own.dimension = 'all'
                and own.source_system = 'metastacker' and own.value is not null
            """
        ).fetchone()
        assert (wrong, compared > 0) == (0, True), metric["name"]


def replayed(samples: list[dict], rule: dict) -> Iterator[tuple[datetime, str]]:
    """(time, level) of the alerts of one rule, group and IST day; samples in order of time."""
    told_at = started_at = last_at = None
    for sample in samples:
        beyond = getattr(sample["value"], OPERATORS[rule["comparator"]])(rule["threshold"])
        is_breach = beyond and sample["n"] >= (rule["min_n"] or 1) and (rule["above"] is None or sample["value"] > rule["above"])
        at = sample["sampled_at"]
        if not is_breach:
            started_at = last_at = None
            continue
        if last_at is None or at - last_at != timedelta(minutes=5):
            started_at = at
        last_at = at
        if told_at is not None and at < told_at + timedelta(minutes=rule["cooldown_min"]):
            continue
        told_at = at
        limit = rule["escalate_after_min"]
        is_escalated = limit is not None and at >= started_at + timedelta(minutes=limit)
        yield at, rule["escalated_level"] if is_escalated else rule["level"]


def test_alerts_are_what_a_router_would_have_sent(con: duckdb.DuckDBPyConnection) -> None:
    samples = defaultdict(list)
    for sample in rows(con, "from intermediate.int_alert_samples order by sampled_at"):
        samples[sample["sample_source"], sample["signal"], sample["dimension"], sample["dimension_value"]].append(sample)
    expected = set()
    for rule in rows(con, "from staging.alert_rules where null_reason is null"):
        for (source, signal, dimension, value), of_group in samples.items():
            wanted = (rule["sample_source"], rule["signal"], rule["dimension"])
            if wanted != (source, signal, dimension) or (rule["bots"] and value not in rule["bots"].split()):
                continue
            by_day = defaultdict(list)
            for sample in of_group:
                by_day[sample["date_ist"]].append(sample)
            for of_day in by_day.values():
                expected |= {(rule["rule_id"], value, at, level) for at, level in replayed(of_day, rule)}
    found = con.execute(
        "select rule_id, dimension_value, fired_at, level from marts.fct_alert_events where rule_kind = 'rule'"
    ).fetchall()
    assert len(found) == len(set(found)) > 50
    assert set(found) == expected


def test_rate_limits_hold_and_the_gravest_go_first(con: duckdb.DuckDBPyConnection) -> None:
    hours = defaultdict(list)
    for event in rows(con, "select *, date_trunc('hour', fired_at + interval 30 minutes) as hour from marts.fct_alert_events"):
        hours[event["date_ist"], event["hour"]].append(event)
    for events in hours.values():
        sent = [event for event in events if event["outcome"] == "sent"]
        assert len(sent) <= 100
        for rule in {event["rule_id"] for event in events}:
            assert sum(event["rule_id"] == rule for event in sent) <= 10
        dropped = [LEVELS.index(event["level"]) for event in events if event["outcome"] == "rate_limited_total"]
        assert not dropped or min(dropped) >= max(LEVELS.index(event["level"]) for event in sent)


def test_no_alert_and_no_insight_rests_on_nothing(con: duckdb.DuckDBPyConnection) -> None:
    assert con.execute("select count(*) from marts.fct_alert_events where n <= 0 or value is null").fetchone() == (0,)
    uris = {row[0] for row in con.execute("select metric_uri from marts.metric_values where value is not null").fetchall()}
    cited = con.execute("select unnest(metric_uris) from marts.mart_daily_insights").fetchall()
    assert cited
    assert {row[0] for row in cited} <= uris
    alerted = con.execute("select metric_uri from marts.fct_alert_events where metric_uri is not null").fetchall()
    assert {row[0] for row in alerted} <= uris


def test_every_metric_id_that_anything_names_exists(con: duckdb.DuckDBPyConnection) -> None:
    known = {row[0] for row in con.execute("select metric_id from marts.dim_metrics").fetchall()}
    named = con.execute(
        """
        select unnest(metric_ids) from marts.mart_daily_insights
        union select unnest([metric_id, other_metric_id]) from staging.insight_rules
        union select metric_id from staging.metric_limits
        union select metric_id from marts.mart_learning_curve
        union select signal from staging.alert_rules where sample_source = 'metric_day'
        union select signal from marts.fct_alert_events where rule_kind = 'limit'
        """
    ).fetchall()
    assert {row[0] for row in named} - {None} <= known


def test_rules_without_a_source_are_the_only_ones_without_samples(con: duckdb.DuckDBPyConnection) -> None:
    sampled = {row[0] for row in con.execute("select distinct signal from intermediate.int_alert_samples").fetchall()}
    rare = {"same_bar_trade_count", "ic_drift"}  # sampled only where there is such a trade, or a day before
    for rule in rows(con, "from staging.alert_rules"):
        assert (rule["null_reason"] is None) == (rule["signal"] in sampled | rare), rule["rule_id"]


def model_id(model: dict, features: list[str], data: tuple[int, int]) -> str:
    """SHA-256 of what identifies a model of the second system."""
    settings = ",".join(sorted(f"{name}={value}" for name, value in model["hyperparameters"].items())) or "unknown"
    lines = [
        "system=huracan", f"model={model['model_id']}", f"features={','.join(features)}", f"hyperparameters={settings}",
        f"data={model['data_hash']}", f"data_from={data[0]}", f"data_until={data[1]}",
    ]  # fmt: skip
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_models_are_known_by_their_content(con: duckdb.DuckDBPyConnection, truth: dict) -> None:
    sessions = {row["model_name"]: row for row in rows(con, "from marts.fct_training_sessions")}
    assert set(sessions) == {model["model_id"] for model in truth["models"]}
    registered = {row["model_id"]: row for row in rows(con, "from marts.dim_models")}
    for model in truth["models"]:
        session = sessions[model["model_id"]]
        span = [int(session[name].timestamp()) * 1_000_000 for name in ("data_started_at", "data_ended_at")]
        assert session["model_id"] == model_id(model, session["feature_names"], (span[0], span[1]))
        entry = registered[session["model_id"]]
        assert entry["is_hyperparameters_placeholder"] == (not model["hyperparameters"])
        assert (entry["hyperparameters_placeholder"] is None) == bool(model["hyperparameters"])
    for entry in registered.values():
        assert hashlib.sha256(entry["identity_text"].encode()).hexdigest() == entry["model_id"]
    (bots,) = (entry for entry in registered.values() if entry["source_system"] == "metastacker")
    assert bots["hyperparameters_placeholder"] == "an empty object: {}"
    assert bots["is_identity_complete"] is False


def test_lineage_and_gains_equal_the_truth(con: duckdb.DuckDBPyConnection, truth: dict) -> None:
    lineage = rows(con, "from marts.fct_model_lineage where source_system = 'huracan' order by version_no")
    assert [row["model_name"] for row in lineage] == [model["model_id"] for model in truth["models"]]
    for number, (row, model) in enumerate(zip(lineage, truth["models"], strict=True)):
        if number == 0:
            assert (row["auc_gain"], row["delta_null_reason"]) == (None, "no_previous_model")
            continue
        before = truth["models"][number - 1]
        assert row["auc_gain"] == pytest.approx(model["auc"] - before["auc"])
        assert row["ece_gain"] == pytest.approx(before["ece"] - model["ece"])
        assert row["brier_gain"] == pytest.approx(before["brier"] - model["brier"])


def test_calibration_errors_follow_from_the_bins(con: duckdb.DuckDBPyConnection, truth: dict) -> None:
    history = rows(con, "from marts.mart_calibration_history")
    assert {row["basis"] for row in history} == {"predictions", "training"}
    for row in history:
        bins = [entry for entry in json.loads(row["bins"]) if entry["n"]]
        gaps = [abs(entry["accuracy"] - entry["confidence"]) for entry in bins]
        total = sum(entry["n"] for entry in bins)
        assert row["n"] == total
        if not total:
            assert (row["ece"], row["ece_null_reason"]) == (None, "no_bins")
            continue
        expected = sum(gap * entry["n"] for gap, entry in zip(gaps, bins, strict=True)) / total
        assert row["ece"] == pytest.approx(expected, abs=1e-9)
        assert row["mce_any_bin"] == pytest.approx(max(gaps))
        assert row["ece"] <= row["mce_any_bin"] + 1e-12
    logged = {row["subject"]: row for row in history if row["basis"] == "training"}
    for model in truth["models"]:
        assert logged[model["model_id"]]["ece"] == pytest.approx(model["ece"], abs=1e-5)
        assert logged[model["model_id"]]["is_ece_reproduced"] is True


def test_gates_trades_and_changes_of_the_second_system_equal_the_truth(con: duckdb.DuckDBPyConnection, truth: dict) -> None:
    passed = defaultdict(lambda: [0, 0])
    for verdict in truth["verdicts"]:
        counts = passed[f"{verdict['mode']}/{verdict['gate']}"]
        counts[0] += verdict["verdict"] == "PASS"
        counts[1] += 1
    found = con.execute(
        """
        select dimension_value, sum(numerator), sum(denominator) from marts.metric_values
        where metric_id = 'gate_pass_rate' and source_system = 'huracan' and dimension = 'mode_guard' and grain = 'day'
        group by 1
        """
    ).fetchall()
    assert {name: [good, judged] for name, good, judged in found} == passed
    result, fees = con.execute("select sum(net_pnl_gbp), sum(fees_gbp) from staging.stg_trade_close").fetchone()
    assert result == sum(Decimal(trade["pnl_gbp"]) for trade in truth["trades"])
    assert fees == sum(Decimal(trade["fees_gbp"]) for trade in truth["trades"])
    total = con.execute(
        """
        select sum(value) from marts.metric_values
        where metric_id = 'total_pnl_gbp' and grain = 'day' and dimension = 'all'
        """
    ).fetchone()[0]
    assert total == pytest.approx(float(result))
    changes = con.execute(
        """
        select subject, mode, old_value, new_value from marts.fct_config_changes
        where evidence = 'logged' and subject_kind = 'gate' order by effective_at
        """
    ).fetchall()
    assert changes == [(a["gate"], a["mode"], a["old_value"], a["new_value"]) for a in truth["adjustments"]]


def test_ranks_of_features_are_complete_and_never_invented(con: duckdb.DuckDBPyConnection) -> None:
    history = rows(con, "from marts.mart_feature_importance_history order by trained_at, importance_rank")
    by_session = defaultdict(list)
    for row in history:
        by_session[row["session_id"]].append(row)
    for number, of_session in enumerate(by_session.values()):
        assert [row["importance_rank"] for row in of_session] == list(range(1, len(of_session) + 1))
        assert [row["importance"] for row in of_session] == sorted((row["importance"] for row in of_session), reverse=True)
        assert all((row["previous_rank"] is None) == (number == 0) for row in of_session)


def test_the_market_at_a_decision_knows_nothing_later(con: duckdb.DuckDBPyConnection) -> None:
    bars = defaultdict(list)
    for row in rows(con, "from marts.fct_market_context order by bar_open_at, decided_at, decision_id"):
        bars[row["bot"], row["run_id"], row["symbol"]].append(row)
    lengths = {"5m": 300, "1h": 3600, "12h": 43_200, "24h": 86_400}
    checked = 0
    for (bot, _, _), of_run in bars.items():
        for index, row in enumerate(of_run):
            last = of_run[max(0, index - 20) : index + 1]
            returns = [
                float(b["bar_close_px"]) / float(a["bar_close_px"]) - 1
                for a, b in itertools.pairwise(last)
                if (b["bar_open_at"] - a["bar_open_at"]).total_seconds() == lengths[bot]
            ]
            assert row["trailing_return_count"] == len(returns)
            if len(returns) < 2:
                assert row["trailing_volatility_bps"] is None
                continue
            mean = sum(returns) / len(returns)
            deviation = (sum((value - mean) ** 2 for value in returns) / (len(returns) - 1)) ** 0.5
            assert row["trailing_volatility_bps"] == pytest.approx(deviation * 1e4, abs=1e-3)
            checked += 1
    assert checked > 500


def test_the_feed_holds_each_event_once_in_order(con: duckdb.DuckDBPyConnection) -> None:
    counts = dict(con.execute("select kind, count(*) from marts.fct_activity group by 1").fetchall())
    expected = con.execute(
        """
        select (select count(*) from marts.fct_fills), (select count(*) from marts.fct_round_trips where status = 'closed'),
            (select count(*) from marts.fct_alert_events where outcome = 'sent'), (select count(*) from marts.dim_runs)
        """
    ).fetchone()
    assert (counts["fill"], counts["trade_closed"], counts["alert"], counts["run_started"]) == expected
    assert con.execute("select count(*) from marts.fct_activity where message is null").fetchone() == (0,)
    newest = con.execute("select date_ist, count(*), max(newest_no_of_day) from marts.fct_activity group by 1").fetchall()
    assert all(count == last for _, count, last in newest)
