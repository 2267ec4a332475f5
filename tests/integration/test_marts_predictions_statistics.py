"""The statistics of the prediction marts against scipy and scikit-learn, on random predictions with ties and edge cases."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn.metrics import log_loss

from dbt_commands import compile_sql

# models under test, in the order they rest on each other, on a made-up fct_predictions
MODELS = {
    "int_prediction_slices": "intermediate",
    "int_prediction_sums": "intermediate",
    "int_prediction_trends": "intermediate",
    "int_prediction_band_counts": "intermediate",
    "mart_reliability_bins": "marts",
    "mart_prediction_quality": "marts",
}
CLASSES = ["down", "neutral", "up"]
NEUTRAL_BPS = 5
TOLERANCE = 1e-11
START = datetime(2025, 11, 1, 0, 0, tzinfo=UTC)
PREDICTIONS = """
    create or replace table marts.fct_predictions (
        decision_id varchar, horizon_bars integer, bot varchar, symbol varchar, bar_open_at timestamptz, bar_close_at timestamptz,
        predicted_at timestamptz, predicted_date_ist date, replica_count bigint, is_warm boolean, is_in_population boolean,
        is_scored boolean, is_synthetic boolean, git_sha varchar, model_version varchar, regime_bucket varchar,
        pred_raw_bps decimal(18, 6), pred_cal_bps decimal(18, 6), band_bps double, is_tradable boolean,
        p_down_prob double, p_neutral_prob double, p_up_prob double, strategy_direction integer,
        realized_return_bps decimal(18, 6), realized_class varchar
    )
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Model -> SQL, compiled once, the marts in the same catalog as all the rest, which is called warehouse."""
    return compile_sql(tmp_path_factory.mktemp("compiled"), *MODELS)


def open_bench(folder: Path) -> duckdb.DuckDBPyConnection:
    """An empty warehouse with what the models read beside the predictions."""
    connection = duckdb.connect(str(folder / "warehouse.duckdb"))
    connection.execute("set timezone = 'UTC'")
    connection.execute("create schema if not exists intermediate; create schema if not exists marts")
    connection.execute("create schema if not exists staging")
    return connection


def run_models(connection: duckdb.DuckDBPyConnection, compiled: dict[str, str], rows: list[dict]) -> None:
    """Load `rows` as fct_predictions, in their order, and build every model of MODELS on it."""
    connection.execute(PREDICTIONS)
    incoming = pa.Table.from_pylist(rows)
    connection.register("incoming", incoming)
    connection.execute("insert into marts.fct_predictions by name select * from incoming")
    (seed,) = {word for sql in compiled.values() for word in sql.split() if word.endswith('"model_versions"')}
    connection.execute(f"create or replace table {seed} as select 'm' as model_version, timestamptz '2025-10-18' as trained_at")
    for name, schema in MODELS.items():
        connection.execute(f"create or replace table {schema}.{name} as {compiled[name]}")


def random_rows(seed: int, days: int = 6, bars: int = 60) -> list[dict]:
    """Predictions of two bots over some days, with ties, zero returns, missing labels and a bot that always says the same."""
    dice = np.random.default_rng(seed)
    rows = []
    for bot, horizon in (("5m", 1), ("5m", 3), ("1h", 1)):
        probs = dice.dirichlet([1.0, 1.5, 1.0], days * bars)
        moves = dice.normal(0, 12, days * bars) + 10 * (probs[:, 2] - probs[:, 0])
        for i in range(days * bars):
            p_down, p_neutral, p_up = (float(p) for p in probs[i])
            score = 742.9 if bot == "1h" else round((p_up - p_down) * 1e4, 6 if i % 3 else -3)
            has_label = i % bars < bars - horizon
            move = 0.0 if i % 17 == 0 else round(float(moves[i]), 6 if i % 4 else 0)
            opened = START + timedelta(days=i // bars, minutes=5 * (i % bars))
            rows.append({
                "decision_id": f"{bot}{horizon}#{i:05d}", "horizon_bars": horizon, "bot": bot, "symbol": "S",
                "bar_open_at": opened, "bar_close_at": opened + timedelta(minutes=5),
                "predicted_at": opened + timedelta(minutes=5, seconds=7), "predicted_date_ist": opened.date(),
                "replica_count": 1 + i % 3, "is_warm": i % bars >= 20, "is_in_population": True, "is_scored": has_label,
                "is_synthetic": True, "git_sha": "one" if i < 90 else "two", "model_version": "m",
                "regime_bucket": None if i % 11 == 0 else ("calm" if i % 2 else "wild"), "pred_raw_bps": score,
                "pred_cal_bps": score, "band_bps": 15.0, "is_tradable": abs(score) > 15, "p_down_prob": p_down,
                "p_neutral_prob": p_neutral, "p_up_prob": p_up, "strategy_direction": -int(np.sign(score)),
                "realized_return_bps": move if has_label else None,
                "realized_class": None if not has_label else CLASSES[1 + int(move > NEUTRAL_BPS) - int(move < -NEUTRAL_BPS)],
            })  # fmt: skip
    return rows


def slice_of(rows: list[dict], mart: dict) -> list[dict]:
    """The scored rows a line of the mart is about."""
    key = {
        "total": lambda row: True,
        "day_ist": lambda row: str(row["predicted_date_ist"]) == mart["grain_key"],
        "code_version": lambda row: row["git_sha"] == mart["grain_key"],
        "model_version": lambda row: row["model_version"] == mart["grain_key"],
        "regime": lambda row: (row["regime_bucket"] or "unknown") == mart["grain_key"],
    }
    of_bot = [row for row in rows if row["bot"] == mart["bot"] and row["horizon_bars"] == mart["horizon_bars"]]
    if mart["population"] == "warm_bars":
        of_bot = [row for row in of_bot if row["is_warm"]]
    if mart["grain"] == "bar_block":
        block = int(mart["grain_key"])
        ordered = sorted(of_bot, key=lambda row: row["bar_open_at"])
        found = ordered[(block - 1) * 50 : block * 50]
    else:
        found = [row for row in of_bot if key[mart["grain"]](row)]
    assert mart["n_distinct_bars"] == len(found)
    assert mart["n_rows"] == sum(row["replica_count"] for row in found)
    return [row for row in found if row["is_scored"]]


def table(connection: duckdb.DuckDBPyConnection, name: str) -> list[dict]:
    """Every row of a table as a dict."""
    cursor = connection.execute(f"select * from marts.{name}")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def expect(mart: dict, name: str, value: float | None, tolerance: float = TOLERANCE) -> None:
    """The mart's value is the reference's, NULL where that is None or NaN."""
    where = {key: mart[key] for key in ("grain", "grain_key", "bot", "population", "horizon_bars")}
    if value is None or np.isnan(value):
        assert mart[name] is None, (name, mart[name], where)
    else:
        assert mart[name] is not None, (name, value, where)
        assert mart[name] == pytest.approx(value, abs=tolerance, rel=tolerance), (name, where)


def check_correlation(mart: dict, x: np.ndarray, y: np.ndarray) -> None:
    """Both coefficients with their intervals and t against scipy; NULL under 10 pairs and for a constant side."""
    n = len(x)
    defined = n >= 10 and len(set(x)) > 1 and len(set(y)) > 1
    if not defined:
        reason = "below_minimum_count" if n < 10 else "constant_side"
        assert mart["null_reasons"]["ic_spearman"] == mart["null_reasons"]["ic_pearson"] == reason
        for name in ("ic_spearman", "ic_pearson", "ic_t_stat", "ic_spearman_lower", "ic_pearson_upper"):
            assert mart[name] is None
        return
    pearson = stats.pearsonr(x, y)
    interval = pearson.confidence_interval(0.95)
    expect(mart, "ic_pearson", pearson.statistic)
    expect(mart, "ic_pearson_lower", interval.low)
    expect(mart, "ic_pearson_upper", interval.high)
    spearman = stats.spearmanr(x, y).statistic
    expect(mart, "ic_spearman", spearman)
    half_width = stats.norm.ppf(0.975) * np.sqrt((1 + spearman**2 / 2) / (n - 3))
    expect(mart, "ic_spearman_lower", np.tanh(np.arctanh(spearman) - half_width))
    expect(mart, "ic_spearman_upper", np.tanh(np.arctanh(spearman) + half_width))
    # the p-value of scipy rests on the same t
    assert 2 * stats.t.sf(abs(mart["ic_t_stat"]), n - 2) == pytest.approx(stats.spearmanr(x, y).pvalue, abs=1e-11)
    expect(mart, "realized_per_predicted_slope", stats.linregress(x, y).slope)


def check_hits(mart: dict, x: np.ndarray, y: np.ndarray) -> None:
    """Hit share over pairs without zeros, with the Wilson interval of scipy; the flipped side hits the rest."""
    signed = (x != 0) & (y != 0)
    hits, n = int((np.sign(x) == np.sign(y))[signed].sum()), int(signed.sum())
    assert mart["model_sign_count"] == mart["strategy_sign_count"] == n
    if not n:
        expect(mart, "model_hit_share", None)
        return
    wilson = stats.binomtest(hits, n).proportion_ci(0.95, "wilson")
    expect(mart, "model_hit_share", hits / n)
    expect(mart, "model_hit_share_lower", wilson.low)
    expect(mart, "model_hit_share_upper", wilson.high)
    expect(mart, "strategy_hit_share", 1 - hits / n)
    expect(mart, "majority_hit_share", max((y > 0).sum(), (y < 0).sum()) / (y != 0).sum())
    assert mart["zero_count"] == len(x) - n


def expected_error(confidence: np.ndarray, event: np.ndarray) -> tuple[float, float | None, float]:
    """ECE, MCE of bins with 20 predictions, MCE of all bins; ten bins [a, b)."""
    bins = np.minimum((confidence * 10).astype(int), 9)
    gaps = {b: (abs(event[bins == b].mean() - confidence[bins == b].mean()), (bins == b).sum()) for b in set(bins)}
    full = [gap for gap, n in gaps.values() if n >= 20]
    return sum(gap * n for gap, n in gaps.values()) / len(bins), max(full, default=None), max(gap for gap, _ in gaps.values())


def check_classes(mart: dict, probs: np.ndarray, labels: np.ndarray) -> None:
    """Brier, log loss and calibration errors."""
    outcome = np.eye(3)[labels]
    expect(mart, "brier_score", ((probs - outcome) ** 2).sum(axis=1).mean())
    expect(mart, "brier_score_half", ((probs - outcome) ** 2).sum(axis=1).mean() / 2)
    base = outcome.mean(axis=0)
    unskilled = ((base - outcome) ** 2).sum(axis=1).mean()
    expect(mart, "brier_skill", None if unskilled < 1e-12 else 1 - mart["brier_score"] / unskilled, 1e-9)
    expect(mart, "log_loss", log_loss(labels, probs, labels=[0, 1, 2]))
    ece, mce, mce_any = expected_error(probs.max(axis=1), probs.argmax(axis=1) == labels)
    expect(mart, "ece", ece)
    expect(mart, "mce", mce)
    expect(mart, "mce_any_bin", mce_any)
    assert mart["ece"] <= mart["mce_any_bin"] + 1e-12
    expect(mart, "ece_classwise", np.mean([expected_error(probs[:, k], labels == k)[0] for k in range(3)]))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_statistics_equal_scipy_and_scikit_learn(compiled: dict[str, str], tmp_path: Path, seed: int) -> None:
    rows = random_rows(seed)
    with open_bench(tmp_path) as connection:
        run_models(connection, compiled, rows)
        marts = table(connection, "mart_prediction_quality")
    assert {mart["grain"] for mart in marts} == {"total", "bar_block", "day_ist", "code_version", "model_version", "regime"}
    assert len(marts) > 60
    for mart in marts:
        scored = slice_of(rows, mart)
        assert mart["n_used"] == len(scored)
        if not scored:
            continue
        x = np.array([row["pred_raw_bps"] for row in scored])
        y = np.array([row["realized_return_bps"] for row in scored])
        check_correlation(mart, x, y)
        check_hits(mart, x, y)
        expect(mart, "bias_bps", np.mean(x - y))
        expect(mart, "mae_bps", np.mean(abs(x - y)))
        probs = np.array([[row[f"p_{name}_prob"] for name in CLASSES] for row in scored])
        check_classes(mart, probs, np.array([CLASSES.index(row["realized_class"]) for row in scored]))


def test_the_daily_trend_is_the_regression_of_daily_coefficients(compiled: dict[str, str], tmp_path: Path) -> None:
    with open_bench(tmp_path) as connection:
        run_models(connection, compiled, random_rows(4, days=8))
        marts = [m for m in table(connection, "mart_prediction_quality") if m["bot"] == "5m" and m["population"] == "all_bars"]
    days = sorted((m for m in marts if m["grain"] == "day_ist" and m["horizon_bars"] == 1), key=lambda m: m["grain_key"])
    assert len(days) == 8
    for count, day in enumerate(days, start=1):
        if count < 5:
            expect(day, "ic_decay_rate_per_day", None)
            assert day["null_reasons"]["ic_decay_rate_per_day"] == "too_few_days"
        else:
            fit = stats.linregress(range(count), [d["ic_spearman"] for d in days[:count]])
            expect(day, "ic_decay_rate_per_day", fit.slope, 1e-10)
            expect(day, "ic_decay_t_stat", fit.slope / fit.stderr, 1e-8)
    (total,) = [m for m in marts if m["grain"] == "total" and m["horizon_bars"] == 1]
    assert total["ic_decay_rate_per_day"] == days[-1]["ic_decay_rate_per_day"]


def test_trailing_rates_and_drift_look_at_their_own_window(compiled: dict[str, str], tmp_path: Path) -> None:
    rows = random_rows(5, days=10)
    with open_bench(tmp_path) as connection:
        run_models(connection, compiled, rows)
        marts = table(connection, "mart_prediction_quality")
    first_gap = {}
    for mart in sorted((m for m in marts if m["grain"] == "day_ist"), key=lambda m: m["grain_key"]):
        mine = [
            row
            for row in rows
            if row["bot"] == mart["bot"]
            and row["horizon_bars"] == mart["horizon_bars"]
            and (row["is_warm"] or mart["population"] == "all_bars")
            and mart["window_ended_at"] - timedelta(days=7) <= row["predicted_at"] < mart["window_ended_at"]
        ]
        outside = [abs(row["realized_return_bps"] - row["pred_cal_bps"]) > 15 for row in mine if row["is_scored"]]
        expect(mart, "out_of_band_rate_7d", np.mean(outside))
        expect(mart, "seed_out_of_band_rate_7d", np.mean([row["is_tradable"] for row in mine]))
        gap = mart["top_class_prob"] - mart["top_class_hit_share"]
        key = (mart["bot"], mart["population"], mart["horizon_bars"])
        if key not in first_gap:
            first_gap[key] = gap
            assert mart["null_reasons"]["calibration_drift_pct"] == "reference_window"
        else:
            expect(mart, "calibration_drift_share", gap - first_gap[key], 1e-10)
            expect(mart, "calibration_drift_pct", 100 * (gap - first_gap[key]) / abs(first_gap[key]), 1e-8)
        expect(mart, "model_version_age_days", (mart["window_ended_at"] - datetime(2025, 10, 18, tzinfo=UTC)) / timedelta(days=1))


def test_nothing_depends_on_the_order_of_rows_or_on_threads(compiled: dict[str, str], tmp_path: Path) -> None:
    rows = random_rows(6)
    with open_bench(tmp_path) as connection:
        connection.execute("set threads = 1")
        run_models(connection, compiled, rows)
        for name, schema in MODELS.items():
            connection.execute(f"create table first_{name} as select * from {schema}.{name}")
        connection.execute("set threads = 4")
        np.random.default_rng(0).shuffle(rows)
        run_models(connection, compiled, rows)
        for name, schema in MODELS.items():
            before, after = f"from first_{name}", f"from {schema}.{name}"
            differing = connection.execute(
                f"select count(*) from (({before} except all {after}) union all ({after} except all {before}))"
            ).fetchone()[0]
            assert differing == 0, name
