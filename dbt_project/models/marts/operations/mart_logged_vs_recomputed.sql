{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "coalesce(run_id, '')"}},
) }}
{%- set short = "case when ours.return_count_1d < " ~ var('risk_min_returns') ~ " then 'too_few_returns' else 'no_variation' end" %}
{%- set short_week = "case when ours.return_count_1w < " ~ var('risk_min_returns') ~ " then 'too_few_returns' else 'no_variation' end" %}
{%- set short_down = "case when ours.return_count_1w < " ~ var('risk_min_returns') ~ " then 'too_few_returns' else 'no_negative_return' end" %}
with healths as (select * from {{ ref('stg_health') }} where {{ in_runs("coalesce(run_id, '')") }}),

scorecards as (select * from {{ ref('stg_kpi_scorecard') }} where {{ in_runs("coalesce(run_id, '')") }}),

fills as (select * from {{ ref('fct_fills') }} where {{ in_runs(since='emitted_at') }}),

recomputed as (select * from {{ ref('int_recomputed_health') }} where {{ in_runs() }}),

bugs as (select * from {{ ref('logged_metric_bugs') }}),

-- executions since the previous health record of the run, counted by time
execution_events as (
    select bot, run_id, symbol, emitted_at as happened_at, 0 as is_record, 1 as executions, source_file, line_no from fills
    union all
    select bot, run_id, symbol, emitted_at, 1, 0, source_file, line_no from healths where run_id is not null
),

executions_so_far as (
    select
        *,
        sum(executions) over (
            partition by bot, run_id, symbol order by happened_at, is_record, source_file, line_no rows between unbounded preceding and current row
        ) as execution_count
    from execution_events
),

executions as (
    select
        source_file,
        line_no,
        execution_count - coalesce(lag(execution_count) over (
            partition by bot, run_id, symbol order by happened_at, source_file, line_no
        ), 0) as execution_count
    from executions_so_far
    where is_record = 1
),

health_metrics as (
    select
        'health' as stream, logged.source_file, logged.line_no, logged.decision_id, logged.bot, logged.run_id, logged.symbol,
        logged.bar_open_at, logged.emitted_at, logged.emitted_date_ist, logged.is_canonical, logged.is_synthetic,
        unnest([
            {{ compared_metric('recent_bar_count', 'logged.recent_bar_count', 'ours.signal_count', 'null') }},
            {{ compared_metric('mean_p_down_prob', 'logged.mean_p_down_prob', 'ours.mean_p_down_prob', "'no_signal_record'") }},
            {{ compared_metric('mean_p_up_prob', 'logged.mean_p_up_prob', 'ours.mean_p_up_prob', "'no_signal_record'") }},
            {{ compared_metric('mean_s_model', 'logged.mean_s_model', 'ours.mean_s_model', "'no_signal_record'") }},
            {{ compared_metric('execution_count', 'logged.execution_count', 'executions.execution_count', 'null') }},
            {{ compared_metric('is_funding_stale', 'logged.is_funding_stale', 'null', "'no_second_source'") }},
            {{ compared_metric('equity_usd', 'logged.equity_usd', 'ours.equity_usd', 'ours.equity_null_reason') }},
            {{ compared_metric('ws_queue_drop_count', 'logged.ws_queue_drop_count', 'null', "'no_second_source'") }},
            {{ compared_metric('ws_reconnect_count', 'logged.ws_reconnect_count', 'null', "'no_second_source'") }},
            {{ compared_metric('ws_staleness_ms', 'logged.ws_staleness_ms', 'null', "'no_second_source'") }},
            {{ compared_metric('sharpe_roll_1d', 'logged.sharpe_roll_1d', 'ours.sharpe_1d', short) }},
            {{ compared_metric('sharpe_roll_1w', 'logged.sharpe_roll_1w', 'ours.sharpe_1w', short_week) }},
            {{ compared_metric('sortino_1w', 'logged.sortino_1w', 'ours.sortino_1w', short_down) }},
            {{ compared_metric('hit_rate_share', 'logged.hit_rate_share', 'ours.hit_rate_share', "'no_label_known_yet'") }},
            {{ compared_metric('turnover_bps_per_day', 'logged.turnover_bps_per_day', 'ours.turnover_bps_per_day', "'equity_not_positive'") }},
            {{ compared_metric('capacity_participation_share', 'logged.capacity_participation_share', 'ours.capacity_participation_share', "'market_volume_or_close_unknown'") }},
            {{ compared_metric('ic_drift', 'logged.ic_drift', 'null', "'no_sound_definition'") }},
            {{ compared_metric('max_drawdown_share', 'logged.max_drawdown_share', 'ours.max_drawdown_share', 'null', true) }},
            {{ compared_metric('time_in_market_share', 'logged.time_in_market_share', 'ours.time_in_market_share', "'first_record_of_run'") }},
            {{ compared_metric('calibration_drift', 'logged.calibration_drift', 'ours.calibration_drift', "'no_signal_record'", true) }},
            {{ compared_metric('is_leakage_flagged', 'logged.is_leakage_flagged', 'null', "'no_second_source'") }},
            {{ compared_metric('is_same_bar_roundtrip_flagged', 'logged.is_same_bar_roundtrip_flagged', 'ours.has_same_bar_trip', 'null') }},
            {{ compared_metric('in_no_trade_band_share', 'logged.in_no_trade_band_share', 'ours.in_no_trade_band_share', "'no_calibration_record'", true) }}
        ]) as compared,
        ours.decision_id is not null as is_recomputed
    from healths as logged
    left join recomputed as ours on logged.decision_id = ours.decision_id
    left join executions on logged.source_file = executions.source_file and logged.line_no = executions.line_no
),

scorecard_metrics as (
    select
        'kpi_scorecard' as stream, logged.source_file, logged.line_no, logged.decision_id, logged.bot, logged.run_id, logged.symbol,
        logged.bar_open_at, logged.emitted_at, logged.emitted_date_ist, logged.is_canonical, logged.is_synthetic,
        unnest([
            {{ compared_metric('sharpe_1w', 'logged.sharpe_1w', 'ours.sharpe_1w', short_week) }},
            {{ compared_metric('max_drawdown_pct', 'logged.max_drawdown_pct', 'abs(ours.max_drawdown_share) * 100', 'null', true) }},
            {{ compared_metric('turnover_bps_per_day', 'logged.turnover_bps_per_day', 'ours.turnover_bps_per_day', "'equity_not_positive'") }},
            {{ compared_metric('in_no_trade_band_share', 'logged.in_no_trade_band_share', 'ours.in_no_trade_band_share', "'no_calibration_record'", true) }},
            {{ compared_metric('is_sharpe_gate_passed', 'logged.is_sharpe_gate_passed', 'ours.sharpe_1w >= ' ~ var('kpi_min_sharpe'), short_week) }},
            {{ compared_metric('is_drawdown_gate_passed', 'logged.is_drawdown_gate_passed', 'abs(ours.max_drawdown_share) * 100 <= ' ~ var('kpi_max_drawdown_pct'), 'null') }},
            {{ compared_metric('is_turnover_gate_passed', 'logged.is_turnover_gate_passed', 'ours.turnover_bps_per_day <= ' ~ var('kpi_max_turnover_bps_per_day'), "'equity_not_positive'") }},
            {{ compared_metric('is_cost_gate_passed', 'logged.is_cost_gate_passed', 'ours.cost_bps <= ' ~ var('kpi_max_cost_bps'), "'no_execution_yet'") }}
        ]) as compared,
        ours.decision_id is not null as is_recomputed
    from scorecards as logged
    left join recomputed as ours on logged.decision_id = ours.decision_id
),

metrics as (
    select * from health_metrics
    union all by name
    select * from scorecard_metrics
)

select
    metrics.stream,
    source_file,
    line_no,
    bugs.metric,
    bugs.logged_field,
    bugs.unit,
    decision_id,
    bot,
    run_id,
    symbol,
    bar_open_at,
    emitted_at,
    emitted_date_ist,
    is_canonical,
    compared.logged_value,
    case when compared.logged_value is null then 'null_in_the_log' end as logged_null_reason,
    compared.recomputed_value,
    case
        when compared.recomputed_value is not null then null
        when not is_recomputed then 'decision_unknown'
        else coalesce(compared.recomputed_null_reason, 'record_lost')
    end as recomputed_null_reason,
    compared.logged_value - compared.recomputed_value as difference,
    abs(compared.logged_value - compared.recomputed_value) <= bugs.tolerance as is_agreeing,
    bugs.bug as known_bug,
    bugs.description as bug_description,
    bugs.recomputed_as,
    is_synthetic
from metrics
inner join bugs on metrics.stream = bugs.stream and metrics.compared.metric = bugs.metric
order by bar_open_at
