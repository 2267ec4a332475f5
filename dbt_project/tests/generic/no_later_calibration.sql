{# Leakage: the matched calibration_log record was written before the entry (at the same instant only within one burst), by
   the same run, bot and symbol; read from the records themselves, not from what the model says of them. #}
{% test no_later_calibration(model) %}
with matched as (select * from {{ model }}),

signals as (select decision_id, emitted_at from {{ ref('stg_signals') }} where decision_id is not null and {{ in_runs(since='emitted_at') }}),

executions as (select * from {{ ref('stg_execution_log') }} where {{ in_runs(since='emitted_at') }}),

calibrations as (select * from {{ ref('stg_calibration_log') }} where {{ in_runs(since='emitted_at') }}),

entries as (
    select matched.*, coalesce(signals.emitted_at, executions.emitted_at, matched.entered_at) as recorded_at
    from matched
    -- as one equality: with a condition on one side alone DuckDB compares every row with every row
    left join signals on case when matched.entry_kind = 'decision' then matched.decision_id end = signals.decision_id
    left join executions
        on matched.source_file = executions.source_file and matched.line_no = executions.line_no
)

select entries.entry_kind, entries.entry_id, entries.recorded_at, calibrations.emitted_at as calibrated_at
from entries
left join calibrations
    on entries.calibration_source_file = calibrations.source_file
    and entries.calibration_line_no = calibrations.line_no
where entries.match_method <> 'none'
    and (
        calibrations.source_file is null
        or calibrations.emitted_at > entries.recorded_at
        or (calibrations.emitted_at = entries.recorded_at and calibrations.decision_id is distinct from entries.decision_id)
        or (calibrations.run_id, calibrations.bot, calibrations.symbol) is distinct from (entries.run_id, entries.bot, entries.symbol)
        or entries.match_lag_ms < 0
    )
{% endtest %}
