-- What the bot said of itself, one row per health record, its defaults included; flags are 0 and 1. What the warehouse finds is
-- in the health buckets and mart_logged_vs_recomputed.
select
    bar_open_at, emitted_at, bot, run_id, symbol,
    max(logged_value) filter (where metric = 'recent_bar_count') as recent_bar_count,
    max(logged_value) filter (where metric = 'mean_p_down_prob') as mean_p_down_prob,
    max(logged_value) filter (where metric = 'mean_p_up_prob') as mean_p_up_prob,
    max(logged_value) filter (where metric = 'mean_s_model') as mean_s_model,
    max(logged_value) filter (where metric = 'execution_count') as execution_count,
    max(logged_value) filter (where metric = 'is_funding_stale') as is_funding_stale,
    max(logged_value) filter (where metric = 'equity_usd') as equity_usd,
    max(logged_value) filter (where metric = 'ws_queue_drop_count') as ws_queue_drop_count,
    max(logged_value) filter (where metric = 'ws_reconnect_count') as ws_reconnect_count,
    max(logged_value) filter (where metric = 'ws_staleness_ms') as ws_staleness_ms,
    max(logged_value) filter (where metric = 'sharpe_roll_1d') as sharpe_roll_1d,
    max(logged_value) filter (where metric = 'sharpe_roll_1w') as sharpe_roll_1w,
    max(logged_value) filter (where metric = 'sortino_1w') as sortino_1w,
    max(logged_value) filter (where metric = 'max_drawdown_share') as max_drawdown_share,
    max(logged_value) filter (where metric = 'time_in_market_share') as time_in_market_share,
    max(logged_value) filter (where metric = 'hit_rate_share') as hit_rate_share,
    max(logged_value) filter (where metric = 'turnover_bps_per_day') as turnover_bps_per_day,
    max(logged_value) filter (where metric = 'capacity_participation_share') as capacity_participation_share,
    max(logged_value) filter (where metric = 'ic_drift') as ic_drift,
    max(logged_value) filter (where metric = 'calibration_drift') as calibration_drift,
    max(logged_value) filter (where metric = 'is_leakage_flagged') as is_leakage_flagged,
    max(logged_value) filter (where metric = 'is_same_bar_roundtrip_flagged') as is_same_bar_roundtrip_flagged,
    max(logged_value) filter (where metric = 'in_no_trade_band_share') as in_no_trade_band_share,
    is_canonical, source_file, line_no
from marts.mart_logged_vs_recomputed
where stream = 'health' and emitted_date_ist >= $first and emitted_date_ist < $end
group by all
order by emitted_at, source_file, line_no
