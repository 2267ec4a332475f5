"""The script: the days and what must be told on them."""

from raw_loaders.simulate.incidents import BOT, Alert, Episode, OfDay
from raw_loaders.simulate.releases import Release, Rollout


def _both(metric: str, level: str) -> tuple[OfDay, OfDay]:
    """A limit that the bot and the whole, which is the same bot, are both beyond."""
    return OfDay(f"limit.{metric}", level), OfDay(f"limit.{metric}", level, "all", "all")


# a day has 36 decisions at most, each passes both gates (more than the catalogue wants), and few trades are closed
_ALWAYS = (
    OfDay("limit.gate_pass_rate", "warning", "bot_guard", f"{BOT}/confidence"),
    OfDay("limit.gate_pass_rate", "warning", "bot_guard", f"{BOT}/liquidity_ok"),
    OfDay("limit.signal_count", "warning", "all", "all"),
    *_both("trade_count", "info"),
)
# the account falls by more than 1 % and never wholly recovers: the returns of the day are below zero on average
_LOSS = (
    *_ALWAYS,
    *_both("max_drawdown_bps", "critical"),
    OfDay("limit.sharpe_ratio", "warning"),
    OfDay("sharpe_critical", "critical"),
)
_LOSS_IN_BUDGET = (*_LOSS, *_both("risk_utilization_pct", "warning"))
_LOSS_BEYOND_BUDGET = (*_LOSS, *_both("risk_utilization_pct", "critical"))
# nothing but fees and slippage is lost, so that most of the loss are fees
_FEES_ONLY = (*_ALWAYS, *_both("fee_share_of_pnl", "warning"), OfDay("limit.total_pnl_usd", "info", "all", "all"))

EPISODES = (
    # nothing happens
    Episode("quiet", (), _ALWAYS),
    # 1.3 % lost is 87 % of the risk budget: a warning each hour while it stands, kept quiet in between
    Episode(
        "warning",
        (Alert("risk_budget_warning", "warning", 6, 6, 11), Alert("risk_budget_warning", "warning", 18, 6, 1)),
        _LOSS_IN_BUDGET,
        loss_pct=((6, 1.3), (20, 0.2)),
    ),
    # 1.6 % lost is more than the budget: critical each half hour, an emergency once it has stood for an hour
    Episode(
        "critical_escalates",
        (
            Alert("risk_budget_warning", "warning", 4, 4, 11),
            Alert("risk_budget_warning", "warning", 16, 4, 5),
            Alert("risk_budget_critical", "critical", 4, 4, 5),
            Alert("risk_budget_critical", "critical", 10, 4, 5),
            Alert("risk_budget_critical", "emergency", 16, 4, 5, is_escalated=True),
        ),
        _LOSS_BEYOND_BUDGET,
        loss_pct=((4, 1.6), (22, 0.4)),
    ),
    # the breach ends and comes back inside the cooldown: told when the cooldown is over, standing since it came back
    Episode(
        "comes_back_inside_the_cooldown",
        (Alert("risk_budget_warning", "warning", 3, 3, 7), Alert("risk_budget_warning", "warning", 15, 9, 2)),
        _LOSS_IN_BUDGET,
        loss_pct=((3, 1.3), (5, 0.4), (9, 1.3), (18, 0.4)),
    ),
    # everything at once: 5.5 % lost
    Episode(
        "deep_loss",
        (
            Alert("risk_budget_warning", "warning", 2, 2, 11),
            Alert("risk_budget_warning", "warning", 14, 2, 11),
            Alert("risk_budget_warning", "warning", 26, 2, 3),
            Alert("risk_budget_critical", "critical", 2, 2, 5),
            Alert("risk_budget_critical", "critical", 8, 2, 5),
            Alert("risk_budget_critical", "emergency", 14, 2, 5, is_escalated=True),
            Alert("risk_budget_critical", "emergency", 20, 2, 5, is_escalated=True),
            Alert("risk_budget_critical", "emergency", 26, 2, 3, is_escalated=True),
            Alert("drawdown_warning", "warning", 2, 2, 5),
            Alert("drawdown_warning", "warning", 8, 2, 5),
            Alert("drawdown_warning", "warning", 14, 2, 5),
            Alert("drawdown_warning", "warning", 20, 2, 5),
            Alert("drawdown_warning", "warning", 26, 2, 3),
            Alert("drawdown_critical", "critical", 2, 2, 11),
            Alert("drawdown_critical", "critical", 14, 2, 11),
            Alert("drawdown_critical", "emergency", 26, 2, 3, is_escalated=True),
            Alert("daily_loss_critical", "critical", 2, 2, 11),
            Alert("daily_loss_critical", "critical", 14, 2, 11),
            Alert("daily_loss_critical", "emergency", 26, 2, 3, is_escalated=True),
        ),
        _LOSS_BEYOND_BUDGET,
        loss_pct=((2, 5.5), (30, 0.4)),
    ),
    # the account is not seen for half an hour: its drawdown is unknown then, and what stood before does not stand on; the risk
    # budget is known to be used up as long as the process lives
    Episode(
        "gap_in_the_data",
        (
            Alert("drawdown_warning", "warning", 2, 2, 5),
            Alert("drawdown_warning", "warning", 8, 2, 3),
            Alert("drawdown_warning", "warning", 18, 18, 5),
            Alert("drawdown_warning", "warning", 24, 18, 5),
            Alert("drawdown_critical", "critical", 2, 2, 9),
            Alert("drawdown_critical", "critical", 18, 18, 11),
            Alert("risk_budget_warning", "warning", 2, 2, 11),
            Alert("risk_budget_warning", "warning", 14, 2, 11),
            Alert("risk_budget_warning", "warning", 26, 2, 3),
            Alert("risk_budget_critical", "critical", 2, 2, 5),
            Alert("risk_budget_critical", "critical", 8, 2, 5),
            Alert("risk_budget_critical", "emergency", 14, 2, 5, is_escalated=True),
            Alert("risk_budget_critical", "emergency", 20, 2, 5, is_escalated=True),
            Alert("risk_budget_critical", "emergency", 26, 2, 3, is_escalated=True),
            Alert("market_data_gap_warning", "warning", 18, 18, 11),
        ),
        _LOSS_BEYOND_BUDGET,
        loss_pct=((2, 3.5), (30, 0.4)),
        silent=frozenset(range(12, 18)),
    ),
    # twelve trades opened and closed within their bar: each is told, ten an hour are sent
    Episode(
        "same_bar_trades",
        (
            *(Alert("same_bar_roundtrip_emergency", "emergency", bar, 10, 0) for bar in range(10, 20)),
            *(
                Alert("same_bar_roundtrip_emergency", "emergency", bar, 10, 0, outcome="rate_limited_rule")
                for bar in range(20, 22)
            ),
        ),
        _FEES_ONLY,
        order_share=0.0,
        in_and_out=frozenset(range(10, 22)),
    ),
    # ten of the last twelve orders held back; the share of blocked decisions is beyond both of its limits on the way
    Episode(
        "throttled",
        (
            Alert("throttle_warning", "warning", 25, 25, 4),
            Alert("veto_rate_low_warning", "warning", 16, 16, 2),
            Alert("veto_rate_high_warning", "warning", 23, 23, 8),
        ),
        _ALWAYS,
        throttled=frozenset(range(16, 28)),
    ),
    # three reconnects within the hour
    Episode("reconnects", (Alert("reconnect_warning", "warning", 12, 12, 11),), _ALWAYS, reconnects=((12, 3),)),
    # no order for two hours
    Episode(
        "no_orders",
        (Alert("no_trade_warning", "warning", 23, 23, 11), Alert("no_trade_warning", "warning", 35, 23, 0)),
        _ALWAYS,
        order_share=0.0,
    ),
    # each order moves the market: 5 bps of fees and 2.5 of impact
    Episode("dear_orders", (), (*_ALWAYS, OfDay("cost_warning", "warning")), order_share=0.0016),
)

_FIRST = Release("1a2b3c4")
_NEW_CODE = Release("5d6e7f8")
_RETRAINED = Release("5d6e7f8", "v3.3.0", "d3adb33f", "c0ffee01", False, False)
# the same account of days, seen by the registry: new code, a model of new features, settings and data, and back to the beginning
ROLLOUTS = (
    Rollout(0, _FIRST),
    Rollout(2, _NEW_CODE, (("git_sha", "1a2b3c4", "5d6e7f8"),), ("code",)),
    Rollout(
        5,
        _RETRAINED,
        (
            ("feature_version", "v3.2.1", "v3.3.0"),
            ("hyperparams_hash", "99914b93", "d3adb33f"),
            ("data_hash", "708974dd", "c0ffee01"),
        ),
        ("features", "hyperparameters", "data"),
    ),
    Rollout(
        8,
        _FIRST,
        (
            ("git_sha", "5d6e7f8", "1a2b3c4"),
            ("feature_version", "v3.3.0", "v3.2.1"),
            ("hyperparams_hash", "d3adb33f", "99914b93"),
            ("data_hash", "c0ffee01", "708974dd"),
        ),
    ),
)
