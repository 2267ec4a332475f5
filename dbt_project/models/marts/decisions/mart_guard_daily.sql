{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    post_hook="{{ refresh_complete_days('decided_date_ist') }}",
    meta={'part': {'kind': 'run_days', 'column': "decided_date_ist"}},
) }}
-- Pass rates per guard, bot and day, over canonical bars (for statistics) and over all replicas (what the logs hold).
with evaluations as not materialized (select * from {{ ref('fct_guard_evaluations') }} where {{ in_part('decided_at', 'run_days') }}),

targets as (select * from {{ ref('guard_pass_rate_targets') }}),

populations as (
    select *, 'canonical' as population from evaluations where is_canonical
    union all
    select *, 'all_replicas' as population from evaluations
),

counted as (
    select
        guard,
        stage,
        guard_role,
        bot,
        decided_date_ist,
        run_kind,
        population,
        {{ guard_counts() }}
    from populations
    group by guard, stage, guard_role, bot, decided_date_ist, run_kind, population
),

rated as (
    select
        *,
        pass_count + veto_count as judged_count,
        {{ ratio('pass_count', '(pass_count + veto_count)') }} as pass_rate
    from counted
)

select
    rated.guard,
    rated.bot,
    decided_date_ist,
    run_kind,
    population,
    stage,
    guard_role,
    evaluation_count,
    bar_count,
    judged_count,
    pass_count,
    veto_count,
    unknown_count,
    pass_rate,
    case when judged_count = 0 then 'every_verdict_unknown' end as pass_rate_null_reason,
    -- replicas repeat one another: an interval over them would be too narrow
    case when population = 'canonical' then {{ wilson_bound('pass_count', 'judged_count', 'lower') }} end as pass_rate_low,
    case when population = 'canonical' then {{ wilson_bound('pass_count', 'judged_count', 'upper') }} end as pass_rate_high,
    case
        when population <> 'canonical' then 'replicas_are_not_independent'
        when judged_count = 0 then 'every_verdict_unknown'
    end as pass_rate_interval_null_reason,
    targets.target_min_share,
    targets.target_ideal_share,
    targets.target_max_share,
    targets.source as target_source,
    pass_rate between targets.target_min_share and targets.target_max_share as is_within_target,
    case
        when targets.guard is null then 'no_target_set'
        when judged_count = 0 then 'every_verdict_unknown'
    end as is_within_target_null_reason,
    causal_veto_count,
    primary_veto_count,
    unique_veto_count,
    seed_veto_count,
    disagreeing_count,
    min_margin_abs,
    median_margin_abs,
    max_margin_abs,
    {{ is_complete_day('rated.bot', 'rated.decided_date_ist') }} as is_complete_day,
    is_synthetic
from rated
left join targets on rated.guard = targets.guard and rated.bot = targets.bot
order by decided_date_ist
