{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
-- One decision from the model's score to the record of the decision, with its slowest step. How long an order takes to the
-- exchange is not in the logs: the paper broker stamps what it is handed.
with decisions as (select * from {{ ref('fct_decisions') }} where {{ in_runs(bars='bar_open_at') }}),

bursts as (select decision_id, first_seen_at from {{ ref('int_decisions') }} where {{ in_runs(bars='bar_open_at') }}),

steps as (select * from {{ ref('fct_decision_trace_steps') }} where {{ in_runs(bars='bar_open_at') }} and phase = 'decision'),

traced as (
    select
        decision_id,
        count(*) as step_count,
        min(started_at) filter (where after_step = 'model_scored') as scored_at,
        max(ended_at) filter (where step = 'signal_record') as recorded_at,
        max(case when is_slowest then step end) as slowest_step,
        max(case when is_slowest then duration_ms end) as slowest_ms,
        max(case when is_slowest then duration_share end) as slowest_share,
        coalesce(list(step order by step_no) filter (where is_bottleneck), []) as bottleneck_steps
    from steps
    group by decision_id
),

measured as (
    select
        decisions.*,
        bursts.first_seen_at,
        traced.step_count,
        traced.scored_at,
        traced.recorded_at,
        traced.slowest_step,
        traced.slowest_ms,
        traced.slowest_share,
        traced.bottleneck_steps,
        cast((epoch_us(traced.recorded_at) - epoch_us(traced.scored_at)) * 0.001 as decimal(18, 3)) as total_ms
    from decisions
    inner join bursts using (decision_id)
    left join traced using (decision_id)
)

select
    decision_id,
    bot,
    run_id,
    symbol,
    bar_open_at,
    decided_date_ist,
    run_kind,
    is_canonical,
    code_version,
    final_side,
    scored_at,
    recorded_at,
    total_ms,
    case when total_ms is null then 'record_lost' end as total_null_reason,
    coalesce(step_count, 0) as step_count,
    slowest_step,
    slowest_ms,
    case when total_ms is not null then slowest_share end as slowest_share,
    coalesce(bottleneck_steps, []) as bottleneck_steps,
    cast((epoch_us(first_seen_at) - epoch_us(bar_close_at)) * 0.001 as decimal(18, 3)) as bar_close_to_score_ms,
    cast(null as decimal(18, 3)) as decision_to_exchange_ms,
    case when execution_count > 0 then 'exchange_clock_not_logged' else 'no_order' end as decision_to_exchange_null_reason,
    is_synthetic
from measured
order by bar_open_at
