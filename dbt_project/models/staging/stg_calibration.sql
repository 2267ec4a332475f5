{{ config(meta={'part': {'kind': 'bars', 'column': 'bar_open_at'}}) }}
with raw as (select * from {{ source('raw', 'calibration') }} where {{ in_part('bar_open_at', 'bars') }}),

files as (select * from {{ source('raw', 'files') }}),

decisions as (select * from {{ ref('int_decisions') }} where {{ in_part('bar_open_at', 'bars') }}),

matches as (select * from {{ ref('int_calibration_matches') }} where {{ in_part('bar_open_at', 'bars') }}),

parsed as (
    select
        source_file, line_no, {{ row_key('raw') }} as row_key, record, load_id,
        json_transform(record, '{
            "ts_ist": "VARCHAR", "bar_id": "BIGINT", "asset": "VARCHAR", "a": "DOUBLE", "b": "DOUBLE",
            "pred_raw_bps": "DOUBLE", "pred_cal_bps": "DOUBLE", "in_band_flag": "BOOLEAN", "band_bps": "DOUBLE",
            "realized_bps": "DOUBLE", "prediction_error": "DOUBLE", "calibration_score": "DOUBLE",
            "band_hit_rate": "DOUBLE", "prediction_accuracy": "DOUBLE"
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, row_key, load_id,
        try_cast(fields.ts_ist as timestamptz) as bar_open_at,
        fields.bar_id as bar_counter,
        fields.asset as symbol,
        fields.a as calibration_intercept,
        fields.b as calibration_slope,
        fields.pred_raw_bps,
        fields.pred_cal_bps,
        fields.in_band_flag as is_in_no_trade_band,
        fields.band_bps,
        fields.realized_bps,
        fields.prediction_error as logged_prediction_error_bps,
        fields.calibration_score,
        fields.band_hit_rate as in_no_trade_band_share,
        fields.prediction_accuracy as sign_agreement_share
    from parsed
),

attributed as (
    select
        typed.*,
        matches.decision_id,
        decisions.bot,
        matches.method as bot_method,
        decisions.run_id,
        matches.method as run_method,
        matches.unattributed_reason,
        -- no clock in the record: it was written before the burst ended
        decisions.last_seen_at as emitted_at,
        case when decisions.decision_id is not null then 'burst_end' end as emitted_at_method,
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
            'realized_bps': "case when realized_bps = 0 then 'source_default' end",
            'calibration_score': "case when calibration_score = 0 then 'source_default' end",
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
    emitted_at_method,
    {{ date_ist('emitted_at') }} as emitted_date_ist,
    {{ date_utc('emitted_at') }} as emitted_date_utc,
    replica_no,
    is_canonical,
    calibration_intercept,
    calibration_slope,
    pred_raw_bps,
    pred_cal_bps,
    is_in_no_trade_band,
    band_bps,
    case when null_reasons['realized_bps'] is null then realized_bps end as realized_bps,
    logged_prediction_error_bps,
    case when null_reasons['calibration_score'] is null then calibration_score end as calibration_score,
    in_no_trade_band_share,
    sign_agreement_share,
    null_reasons,
    partition_date,
    is_synthetic,
    load_id
from reasoned
order by bar_open_at
