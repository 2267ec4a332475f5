with raw as (select * from {{ source('raw', 'calibration_log') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

decisions as (select * from {{ ref('int_decisions') }} where {{ near_part('first_seen_at', kind='context_days') }}),

matches as (select * from {{ ref('int_run_record_matches') }} where stream = 'calibration_log' and {{ in_part('emitted_at') }}),

parsed as (
    select
        source_file, line_no, {{ row_key('raw') }} as row_key, record, emitted_at, load_id,
        json_transform(record, '{
            "run_id": "VARCHAR", "asset": "VARCHAR", "a": "DOUBLE", "b": "DOUBLE", "pred_cal_bps": "DOUBLE",
            "in_band_flag": "BOOLEAN", "band_bps": "DOUBLE", "ts_ist": "VARCHAR", "schema_v": "VARCHAR",
            "bar_id": "BIGINT"
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, row_key, emitted_at, load_id,
        fields.run_id,
        fields.asset as symbol,
        fields.a as calibration_intercept,
        fields.b as calibration_slope,
        fields.pred_cal_bps,
        fields.in_band_flag as is_in_no_trade_band,
        fields.band_bps,
        fields.schema_v as schema_version,
        fields.bar_id as llm_bar_id
    from parsed
),

attributed as (
    select
        typed.*,
        matches.decision_id,
        decisions.bot,
        matches.bot_method,
        'record' as run_method,
        matches.unattributed_reason,
        decisions.bar_open_at,
        decisions.bar_counter,
        decisions.replica_no,
        coalesce(decisions.is_canonical, false) as is_canonical,
        files.partition_date,
        files.is_synthetic
    from typed
    left join files on typed.source_file = files.source_file
    left join matches on typed.row_key = matches.row_key
    left join decisions on matches.decision_id = decisions.decision_id
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
    calibration_intercept,
    calibration_slope,
    pred_cal_bps,
    is_in_no_trade_band,
    band_bps,
    schema_version,
    llm_bar_id,
    partition_date,
    is_synthetic,
    load_id
from attributed
order by emitted_at
