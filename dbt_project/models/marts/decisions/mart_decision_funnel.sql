{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    post_hook="{{ refresh_complete_days('decided_date_ist') }}",
    meta={'part': {'kind': 'run_days', 'column': "decided_date_ist"}},
) }}
-- From evaluated bars to fills. Forced trades and exit orders have their own columns: they never passed the funnel.
with decisions as (select * from {{ ref('fct_decisions') }} where {{ in_part('decided_at', 'run_days') }}),

executions as (select * from {{ ref('stg_execution_log') }} where {{ in_part('emitted_at', 'run_days') }}),

populations as (
    select *, 'canonical' as population from decisions where is_canonical
    union all
    select *, 'all_replicas' as population from decisions
),

classed as (
    select
        *,
        case
            when execution_count = 0 then 'none'
            when is_forced then 'forced'
            when organic_direction <> 0 then 'organic'
            when exit_reason is not null then 'exit'
            else 'unexplained'
        end as order_origin
    from populations
),

counted as (
    select
        bot,
        decided_date_ist,
        population,
        count(*) as evaluation_count,
        count(distinct (symbol, bar_open_at)) as bar_count,
        count(*) filter (where run_kind = 'offline_smoke') as offline_smoke_count,
        count(*) filter (where p_up_prob is null) as lost_record_count,
        count(*) filter (where is_eligible) as eligible_count,
        count(*) filter (where intent_side in ('BUY', 'SELL')) as intent_count,
        count(*) filter (where intent_side is null) as lost_intent_count,
        count(*) filter (where organic_direction <> 0) as organic_decision_count,
        count(*) filter (where is_blocked) as rejection_count,
        count(*) filter (where is_forced) as forced_decision_count,
        count(*) filter (where order_origin = 'organic') as organic_order_count,
        count(*) filter (where order_origin = 'forced') as forced_order_count,
        count(*) filter (where order_origin = 'exit') as exit_order_count,
        count(*) filter (where order_origin = 'unexplained') as unexplained_order_count,
        cast(sum(case when order_origin = 'organic' then execution_count else 0 end) as bigint) as organic_fill_count,
        cast(sum(case when order_origin = 'forced' then execution_count else 0 end) as bigint) as forced_fill_count,
        cast(sum(case when order_origin = 'exit' then execution_count else 0 end) as bigint) as exit_fill_count,
        cast(sum(case when order_origin = 'unexplained' then execution_count else 0 end) as bigint) as unexplained_fill_count,
        bool_or(is_synthetic) as is_synthetic
    from classed
    group by bot, decided_date_ist, population
),

-- executions whose decision was lost to damage still happened
lone_executions as (
    select
        bot,
        emitted_date_ist as decided_date_ist,
        'all_replicas' as population,
        count(*) as unattributed_fill_count,
        bool_or(is_synthetic) as is_synthetic
    from executions
    where decision_id is null and emitted_date_ist is not null
    group by bot, emitted_date_ist
),

reason_counts as (
    select bot, decided_date_ist, population, veto_reason_primary, count(*) as reason_count
    from classed
    where is_blocked
    group by bot, decided_date_ist, population, veto_reason_primary
),

breakdowns as (
    select
        bot,
        decided_date_ist,
        population,
        map_from_entries(list(
            {'key': coalesce(veto_reason_primary, 'UNEXPLAINED'), 'value': reason_count}
            order by reason_count desc, veto_reason_primary
        )) as rejection_count_by_reason
    from reason_counts
    group by bot, decided_date_ist, population
),

seed_counts as (
    select bot, decided_date_ist, population, seed_veto_reason, count(*) as reason_count
    from classed
    where seed_veto_reason is not null
    group by bot, decided_date_ist, population, seed_veto_reason
),

seed_breakdowns as (
    select
        bot,
        decided_date_ist,
        population,
        map_from_entries(list(
            {'key': seed_veto_reason, 'value': reason_count} order by reason_count desc, seed_veto_reason
        )) as seed_rejection_count_by_flag
    from seed_counts
    group by bot, decided_date_ist, population
)

select
    bot,
    decided_date_ist,
    population,
    coalesce(evaluation_count, 0) as evaluation_count,
    coalesce(bar_count, 0) as bar_count,
    coalesce(offline_smoke_count, 0) as offline_smoke_count,
    coalesce(lost_record_count, 0) as lost_record_count,
    coalesce(lost_intent_count, 0) as lost_intent_count,
    coalesce(eligible_count, 0) as eligible_count,
    coalesce(intent_count, 0) as intent_count,
    coalesce(organic_decision_count, 0) as organic_decision_count,
    coalesce(organic_order_count, 0) as organic_order_count,
    coalesce(organic_fill_count, 0) as organic_fill_count,
    coalesce(forced_decision_count, 0) as forced_decision_count,
    coalesce(forced_order_count, 0) as forced_order_count,
    coalesce(forced_fill_count, 0) as forced_fill_count,
    coalesce(exit_order_count, 0) as exit_order_count,
    coalesce(exit_fill_count, 0) as exit_fill_count,
    coalesce(unexplained_order_count, 0) as unexplained_order_count,
    coalesce(unexplained_fill_count, 0) as unexplained_fill_count,
    coalesce(unattributed_fill_count, 0) as unattributed_fill_count,
    coalesce(rejection_count, 0) as rejection_count,
    {{ ratio('eligible_count', 'evaluation_count - lost_record_count') }} as eligible_share,
    {{ ratio('rejection_count', 'evaluation_count - lost_record_count') }} as rejection_rate,
    case
        when coalesce(evaluation_count - lost_record_count, 0) = 0 then 'no_decision_record'
    end as rate_null_reason,
    breakdowns.rejection_count_by_reason,
    seed_breakdowns.seed_rejection_count_by_flag,
    {{ is_complete_day('coalesce(counted.bot, lone_executions.bot)', 'coalesce(counted.decided_date_ist, lone_executions.decided_date_ist)') }} as is_complete_day,
    coalesce(counted.is_synthetic, lone_executions.is_synthetic) as is_synthetic
from counted
full outer join lone_executions using (bot, decided_date_ist, population)
left join breakdowns using (bot, decided_date_ist, population)
left join seed_breakdowns using (bot, decided_date_ist, population)
order by decided_date_ist
