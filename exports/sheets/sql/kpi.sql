-- What the bot said of itself, one row per scorecard, its defaults included; flags are 0 and 1. What it should have said is in
-- mart_logged_vs_recomputed and mart_equity_daily.
select
    bar_open_at, emitted_at, bot, run_id, symbol,
    max(logged_value) filter (where metric = 'sharpe_1w') as sharpe_1w,
    max(logged_value) filter (where metric = 'max_drawdown_pct') as max_drawdown_pct,
    max(logged_value) filter (where metric = 'turnover_bps_per_day') as turnover_bps_per_day,
    max(logged_value) filter (where metric = 'in_no_trade_band_share') as in_no_trade_band_share,
    max(logged_value) filter (where metric = 'is_sharpe_gate_passed') as is_sharpe_gate_passed,
    max(logged_value) filter (where metric = 'is_drawdown_gate_passed') as is_drawdown_gate_passed,
    max(logged_value) filter (where metric = 'is_cost_gate_passed') as is_cost_gate_passed,
    max(logged_value) filter (where metric = 'is_turnover_gate_passed') as is_turnover_gate_passed,
    is_canonical, source_file, line_no
from marts.mart_logged_vs_recomputed
where stream = 'kpi_scorecard' and emitted_date_ist >= $first and emitted_date_ist < $end
group by all
order by emitted_at, source_file, line_no
