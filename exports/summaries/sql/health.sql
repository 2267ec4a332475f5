-- One row per bot and bucket of one size, no older than its retention at $as_of.
select
    bot, bucket_start_at, bucket_end_at, as_of_at, alive_bucket_count, run_count, decision_count, incomplete_decision_count,
    fill_count, error_rate_15m, order_reject_rate_1h, order_reject_rate_1h_max, throttle_events_1h, throttle_events_1h_max,
    daily_loss_usd, daily_loss_usd_max, daily_risk_remaining_usd, daily_risk_remaining_usd_min, risk_utilization_pct,
    risk_utilization_pct_max, daily_notional_cap_remaining_usd, funding_staleness_sec, funding_staleness_sec_max,
    ws_reconnect_count_1h, ws_staleness_ms, market_data_gap_max_ms_1h, market_data_gap_max_ms_1h_max, last_market_update_ms,
    array_to_string(
        list_transform(list_sort(map_keys(null_reasons)), lambda field: field || '=' || null_reasons[field]), '; '
    ) as null_reasons, is_synthetic
from marts.mart_health_{bucket}
where bucket_end_at > $as_of - to_hours($retention_hours) and bucket_start_at < $as_of
order by bucket_start_at, bot
