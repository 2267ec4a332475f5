with raw as (select * from {{ source('raw', 'health') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

decisions as (select * from {{ ref('int_decisions') }} where {{ near_part('first_seen_at', kind='context_days') }}),

matches as (select * from {{ ref('int_health_matches') }} where {{ in_part('emitted_at') }}),

parsed as (
    select
        source_file, line_no, {{ row_key('raw') }} as row_key, record, emitted_at, load_id,
        json_transform(record, '{
            "ts": "BIGINT", "symbol": "VARCHAR",
            "metrics": {
                "recent_bars": "BIGINT", "mean_p_down": "DOUBLE", "mean_p_up": "DOUBLE", "mean_s_model": "DOUBLE",
                "exec_count_recent": "BIGINT", "funding_stale": "BOOLEAN", "ws_queue_drops": "BIGINT",
                "ws_reconnects": "BIGINT", "ws_staleness_ms": "DOUBLE", "Sharpe_roll_1d": "DOUBLE",
                "Sharpe_roll_1w": "DOUBLE", "Sortino_1w": "DOUBLE", "max_dd_to_date": "DOUBLE",
                "time_in_mkt": "DOUBLE", "hit_rate_w": "DOUBLE", "turnover_bps_day": "DOUBLE",
                "capacity_participation": "DOUBLE", "ic_drift": "DOUBLE", "calibration_drift": "DOUBLE",
                "leakage_flag": "BOOLEAN", "same_bar_roundtrip_flag": "BOOLEAN", "in_band_share": "DOUBLE"
            },
            "ts_ist": "VARCHAR"
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, row_key, emitted_at, load_id,
        {{ from_epoch_ms("fields.ts") }} as bar_open_at,
        fields.symbol,
        fields.metrics.recent_bars as recent_bar_count,
        fields.metrics.mean_p_down as mean_p_down_prob,
        fields.metrics.mean_p_up as mean_p_up_prob,
        fields.metrics.mean_s_model,
        fields.metrics.exec_count_recent as execution_count,
        fields.metrics.funding_stale as is_funding_stale,
        {{ exact_decimal('record', 'equity') }} as equity_usd,
        fields.metrics.ws_queue_drops as ws_queue_drop_count,
        fields.metrics.ws_reconnects as ws_reconnect_count,
        fields.metrics.ws_staleness_ms,
        fields.metrics."Sharpe_roll_1d" as sharpe_roll_1d,
        fields.metrics."Sharpe_roll_1w" as sharpe_roll_1w,
        fields.metrics."Sortino_1w" as sortino_1w,
        fields.metrics.max_dd_to_date as max_drawdown_share,
        fields.metrics.time_in_mkt as time_in_market_share,
        fields.metrics.hit_rate_w as hit_rate_share,
        fields.metrics.turnover_bps_day as turnover_bps_per_day,
        fields.metrics.capacity_participation as capacity_participation_share,
        fields.metrics.ic_drift,
        fields.metrics.calibration_drift,
        fields.metrics.leakage_flag as is_leakage_flagged,
        fields.metrics.same_bar_roundtrip_flag as is_same_bar_roundtrip_flagged,
        fields.metrics.in_band_share as in_no_trade_band_share
    from parsed
),

attributed as (
    select
        typed.*,
        matches.decision_id,
        files.path_bot as bot,
        'path' as bot_method,
        decisions.run_id,
        matches.run_method,
        matches.unattributed_reason,
        decisions.bar_counter,
        decisions.replica_no,
        coalesce(decisions.is_canonical, false) as is_canonical,
        files.partition_date,
        files.is_synthetic
    from typed
    left join files on typed.source_file = files.source_file
    left join matches on typed.row_key = matches.row_key
    left join decisions on matches.decision_id = decisions.decision_id
),

-- values by which the source means "no input"
reasoned as (
    select
        *,
        {{ null_reason_map({
            'max_drawdown_share': "case when max_drawdown_share = 0 then 'source_default' end",
            'calibration_drift': "case when calibration_drift = 0 then 'source_default' end",
            'in_no_trade_band_share': "case when in_no_trade_band_share = 0 then 'source_default' end",
        }) }} as null_reasons
    from attributed
)

select
    source_file,
    line_no,
    decision_id,
    bot,
    bot_method,
    run_id,
    run_method,
    unattributed_reason,
    symbol,
    bar_open_at,
    bar_open_at + {{ bar_length('bot') }} as bar_close_at,
    bar_counter,
    emitted_at,
    {{ date_ist('emitted_at') }} as emitted_date_ist,
    {{ date_utc('emitted_at') }} as emitted_date_utc,
    replica_no,
    is_canonical,
    recent_bar_count,
    mean_p_down_prob,
    mean_p_up_prob,
    mean_s_model,
    execution_count,
    is_funding_stale,
    equity_usd,
    ws_queue_drop_count,
    ws_reconnect_count,
    ws_staleness_ms,
    sharpe_roll_1d,
    sharpe_roll_1w,
    sortino_1w,
    case when null_reasons['max_drawdown_share'] is null then max_drawdown_share end as max_drawdown_share,
    time_in_market_share,
    hit_rate_share,
    turnover_bps_per_day,
    capacity_participation_share,
    ic_drift,
    case when null_reasons['calibration_drift'] is null then calibration_drift end as calibration_drift,
    is_leakage_flagged,
    is_same_bar_roundtrip_flagged,
    case when null_reasons['in_no_trade_band_share'] is null then in_no_trade_band_share end as in_no_trade_band_share,
    null_reasons,
    partition_date,
    is_synthetic,
    load_id
from reasoned
order by emitted_at
