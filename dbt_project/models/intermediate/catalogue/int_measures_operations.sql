-- What health, loading and coverage contribute to the metrics. Worst hour of the day for health; counts for the rest.
with healths as (
    select
        bot,
        date_ist,
        count(*) as source_row_count,
        max(order_reject_rate_1h_max) as reject_rate,
        count(order_reject_rate_1h_max) as reject_count,
        max(throttle_events_1h_max) as throttle_events,
        count(throttle_events_1h_max) as throttle_count,
        max(daily_loss_usd_max) as daily_loss_usd,
        count(daily_loss_usd_max) as loss_count,
        min(daily_risk_remaining_usd_min) as risk_remaining_usd,
        count(daily_risk_remaining_usd_min) as risk_count,
        max(risk_utilization_pct_max) as risk_utilization_pct,
        count(risk_utilization_pct_max) as utilization_count,
        min(daily_notional_cap_remaining_usd_min) as cap_remaining_usd,
        count(daily_notional_cap_remaining_usd_min) as cap_count,
        max(funding_staleness_sec_max) as funding_staleness_s,
        count(funding_staleness_sec_max) as funding_count,
        max(ws_reconnect_count_1h_max) as ws_reconnects,
        count(ws_reconnect_count_1h_max) as ws_count,
        max(market_data_gap_max_ms_1h_max) as gap_ms,
        count(market_data_gap_max_ms_1h_max) as gap_count,
        max(last_market_update_ms_max) as update_ms,
        count(last_market_update_ms_max) as update_count,
        cast(sum(alive_bucket_count) as bigint) as alive_buckets,
        bool_or(is_synthetic) as is_synthetic
    from {{ ref('mart_health_1h') }}
    group by bot, date_ist
),

volumes as (
    select *, file_count as source_row_count, cast(null as boolean) as is_synthetic
    from {{ ref('mart_stream_volume') }}
    where date_ist is not null
),

coverages as (
    select *, 1 as source_row_count, cast(null as boolean) as is_synthetic
    from {{ ref('mart_stream_coverage') }}
    where date_ist is not null
),

-- figures the bot logged that the warehouse can compute as well
comparisons as (
    select
        bot,
        emitted_date_ist as date_ist,
        metric,
        count(*) as source_row_count,
        count(*) filter (where is_agreeing) as agreeing_count,
        count(is_agreeing) as comparable_count,
        bool_or(is_synthetic) as is_synthetic
    from {{ ref('mart_logged_vs_recomputed') }}
    where emitted_date_ist is not null
    group by bot, emitted_date_ist, metric
)

{{ measure_rows('healths', 'mart_health_1h', {
    'order_reject_rate_1h': ['reject_rate', 'reject_count', "case when reject_count = 0 then 'no_decision_in_window' end"],
    'throttle_events_1h': ['throttle_events', 'throttle_count', "case when throttle_count = 0 then 'no_decision_in_window' end"],
    'daily_loss_usd': ['daily_loss_usd', 'loss_count', "case when loss_count = 0 then 'no_equity_record_yet' end"],
    'daily_risk_remaining_usd': ['risk_remaining_usd', 'risk_count', "case when risk_count = 0 then 'no_limit_in_force' end"],
    'risk_utilization_pct': ['risk_utilization_pct', 'utilization_count', "case when utilization_count = 0 then 'no_limit_in_force' end"],
    'daily_notional_cap_remaining_usd': ['cap_remaining_usd', 'cap_count', "case when cap_count = 0 then 'no_costs_record_yet' end"],
    'funding_staleness_s': ['funding_staleness_s', 'funding_count', "case when funding_count = 0 then 'no_funding_seen_yet' end"],
    'ws_reconnect_count_1h': ['ws_reconnects', 'ws_count', "case when ws_count = 0 then 'no_health_record_in_window' end"],
    'market_data_gap_max_ms_1h': ['gap_ms', 'gap_count', "case when gap_count = 0 then 'no_consecutive_bars_in_window' end"],
    'last_market_update_ms': ['update_ms', 'update_count', "case when update_count = 0 then 'no_decision_yet' end"],
    'alive_s': ['alive_buckets * 300', 'alive_buckets'],
    'day_s': ['86400', 'alive_buckets'],
}) }}
union all
{{ measure_rows('volumes', 'mart_stream_volume', {
    'record_count': ['record_count', 'record_count'],
    'record_text_bytes': ['text_bytes', 'record_count'],
    'rejected_line_count': ['coalesce(rejected_line_count, 0)', 'record_count + coalesce(rejected_line_count, 0)'],
    'line_count': ['record_count + coalesce(rejected_line_count, 0)', 'record_count + coalesce(rejected_line_count, 0)'],
    'damaged_bytes': ['damaged_bytes', 'file_count', "case when damaged_bytes is null then landed_bytes_null_reason end"],
    'landed_bytes': ['landed_bytes', 'file_count', "case when landed_bytes is null then landed_bytes_null_reason end"],
}, bot='null', dimension='stream', dimension_value='stream') }}
union all
{{ measure_rows('coverages', 'mart_stream_coverage', {
    'expected_record_count': ['expected_count', 'expected_count'],
    'met_record_count': ['met_count', 'expected_count'],
}, dimension='stream', dimension_value='stream') }}
union all
{{ measure_rows('comparisons', 'mart_logged_vs_recomputed', {
    'agreeing_figure_count': ['agreeing_count', 'comparable_count'],
    'comparable_figure_count': ['comparable_count', 'comparable_count'],
}, dimension='figure', dimension_value='metric') }}
