{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id"}},
) }}
-- The calibration a decision or an execution could know: of the same run, bot and symbol the newest calibration_log record
-- written before it (as-of backward). Never forward, and never from another process.
with decisions as (select * from {{ ref('int_decisions') }} where {{ in_runs(bars='bar_open_at') }}),

executions as (select * from {{ ref('stg_execution_log') }} where {{ in_runs(since='emitted_at') }}),

calibrations as (select * from {{ ref('stg_calibration_log') }} where {{ in_runs(since='emitted_at') }}),

score_records as (select * from {{ ref('stg_calibration') }} where {{ in_runs(bars='bar_open_at') }} and decision_id is not null),

entries as (
    select
        'decision' as entry_kind,
        decision_id as entry_id,
        decision_id,
        cast(null as varchar) as source_file,
        cast(null as bigint) as line_no,
        run_id,
        bot,
        symbol,
        bar_open_at,
        -- the last record of a decision tells its instant; a burst of which the end was lost is over when its window is
        coalesce(signal_emitted_at, burst_ended_at, window_ended_at) as entered_at,
        case
            when signal_emitted_at is not null then 'signal_record'
            when burst_ended_at is not null then 'burst_end'
            else 'burst_window'
        end as entered_at_method
    from decisions
    union all
    select
        'execution' as entry_kind,
        {{ row_key('executions') }} as entry_id,
        decision_id,
        source_file,
        line_no,
        run_id,
        bot,
        symbol,
        bar_open_at,
        -- the earliest of its clocks: what came after it was not known
        least(decided_at, filled_at, emitted_at) as entered_at,
        'execution_record' as entered_at_method
    from executions
),

-- an as-of join picks at random among equal instants: one record per instant goes in
known_calibrations as (
    select
        run_id,
        bot,
        symbol,
        emitted_at,
        decision_id,
        source_file,
        line_no,
        row_number() over (
            partition by run_id, bot, symbol, emitted_at
            order by bar_open_at desc nulls last, source_file desc, line_no desc
        ) as turn
    from calibrations
    where bot is not null and emitted_at is not null
),

earlier_calibrations as (select * exclude (turn) from known_calibrations where turn = 1),

-- written at the same instant, yet proven to be earlier by the order of records inside a burst
same_instant as (
    select
        entries.entry_kind,
        entries.entry_id,
        calibrations.source_file,
        calibrations.line_no,
        row_number() over (
            partition by entries.entry_kind, entries.entry_id order by calibrations.source_file desc, calibrations.line_no desc
        ) as turn
    from entries
    inner join calibrations
        on entries.decision_id = calibrations.decision_id
        and entries.entered_at = calibrations.emitted_at
),

matched as (
    select
        entries.*,
        coalesce(same_instant.source_file, earlier_calibrations.source_file) as calibration_source_file,
        coalesce(same_instant.line_no, earlier_calibrations.line_no) as calibration_line_no
    from entries
    asof left join earlier_calibrations
        on entries.run_id = earlier_calibrations.run_id
        and entries.bot = earlier_calibrations.bot
        and entries.symbol = earlier_calibrations.symbol
        and entries.entered_at > earlier_calibrations.emitted_at
    left join same_instant
        on entries.entry_kind = same_instant.entry_kind
        and entries.entry_id = same_instant.entry_id
        and same_instant.turn = 1
),

valued as (
    select
        matched.*,
        calibrations.decision_id as calibration_decision_id,
        calibrations.bar_open_at as calibration_bar_open_at,
        calibrations.emitted_at as calibration_emitted_at,
        calibrations.pred_cal_bps as matched_pred_cal_bps,
        calibrations.is_in_no_trade_band as matched_in_band,
        calibrations.band_bps as matched_band_bps,
        case
            when calibrations.source_file is null then 'none'
            when calibrations.decision_id = matched.decision_id then 'same_burst'
            else 'earlier_burst'
        end as match_method,
        -- the score's record has no clock; inside its burst it stands before the calibration_log record
        score_records.decision_id is not null as has_score_record,
        score_records.calibration_score as matched_calibration_score,
        score_records.null_reasons['calibration_score'] as matched_score_null_reason,
        epoch_us(matched.entered_at) - epoch_us(calibrations.emitted_at) as lag_us,
        {{ var('calibration_max_age_bars') }} * {{ bar_length('matched.bot') }} as max_age
    from matched
    left join calibrations
        on matched.calibration_source_file = calibrations.source_file
        and matched.calibration_line_no = calibrations.line_no
    left join score_records on calibrations.decision_id = score_records.decision_id
),

judged as (
    select
        *,
        case
            when match_method = 'none' then 'none_before'
            when to_microseconds(lag_us) > max_age then 'stale'
        end as calibration_null_reason
    from valued
)

select
    entry_kind,
    entry_id,
    decision_id,
    source_file,
    line_no,
    run_id,
    bot,
    symbol,
    bar_open_at,
    entered_at,
    entered_at_method,
    match_method,
    lag_us / 1000.0 as match_lag_ms,
    match_method = 'same_burst' as is_exact_match,
    case when calibration_null_reason is null then matched_pred_cal_bps end as pred_cal_bps_at_entry,
    case when calibration_null_reason is null then matched_band_bps end as band_bps_at_entry,
    case when calibration_null_reason is null then matched_in_band end as in_band_at_entry,
    case when calibration_null_reason is null then not matched_in_band end as is_tradable_at_entry,
    calibration_null_reason,
    case when calibration_null_reason is null then matched_calibration_score end as calibration_score_at_entry,
    case
        when calibration_null_reason is not null then calibration_null_reason
        when matched_calibration_score is null and has_score_record then coalesce(matched_score_null_reason, 'not_logged')
        when matched_calibration_score is null then 'no_record'
    end as calibration_score_null_reason,
    matched_pred_cal_bps,
    calibration_emitted_at,
    calibration_bar_open_at,
    calibration_source_file,
    calibration_line_no
from judged
order by entered_at
