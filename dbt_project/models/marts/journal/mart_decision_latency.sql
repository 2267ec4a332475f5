-- How long the steps of a decision take, per bot and code version, and what to do about it by the rules of seed latency_rules.
{%- set least = var('trace_percentile_min_count') %}
with steps as (select * from {{ ref('fct_decision_trace_steps') }} where run_kind = 'live_paper'),

traces as (select * from {{ ref('fct_decision_traces') }} where run_kind = 'live_paper' and total_ms is not null),

rules as (select * from {{ ref('latency_rules') }}),

durations as (
    select
        bot, code_version, is_canonical, is_synthetic, decision_id, phase, step, min(step_no) as step_no,
        -- fills of one order are one step of the decision
        sum(duration_ms) as duration_ms,
        bool_or(is_bottleneck) as is_bottleneck
    from steps
    where step <> 'model_scored'
    group by bot, code_version, is_canonical, is_synthetic, decision_id, phase, step
    union all by name
    select bot, code_version, is_canonical, is_synthetic, decision_id, 'decision' as phase, 'total' as step, total_ms as duration_ms
    from traces
),

populations as (
    select *, 'all_replicas' as population from durations
    union all by name
    select *, 'canonical' as population from durations where is_canonical
),

counted as (
    select
        bot,
        code_version,
        population,
        phase,
        step,
        count(*) as trace_count,
        sum(duration_ms) as sum_ms,
        quantile_cont(cast(duration_ms as double), 0.5) as p50_ms,
        case when count(*) >= {{ least }} then quantile_cont(cast(duration_ms as double), 0.95) end as p95_ms,
        case when count(*) >= {{ least }} then quantile_cont(cast(duration_ms as double), 0.99) end as p99_ms,
        max(duration_ms) as max_ms,
        count(*) filter (where is_bottleneck) as bottleneck_count,
        bool_or(is_synthetic) as is_synthetic
    from populations
    group by bot, code_version, population, phase, step
),

measured as (
    select
        *,
        {{ ratio('sum_ms', 'trace_count') }} as mean_ms,
        case
            when phase = 'decision' then {{ ratio('sum_ms', "max(case when step = 'total' then sum_ms end) over book") }}
        end as time_share,
        {{ ratio('p99_ms', 'p50_ms') }} as tail_ratio,
        phase = 'decision' and step <> 'total' and row_number() over (
            partition by bot, code_version, population, phase order by step = 'total', sum_ms desc, step
        ) = 1 as is_slowest
    from counted
    window book as (partition by bot, code_version, population)
),

advised as (
    select measured.bot, measured.code_version, measured.population, measured.step, rules.rule_id, rules.priority, rules.recommendation
    from measured
    inner join rules
        on (rules.applies_to = measured.step or (rules.applies_to = 'slowest' and measured.is_slowest))
        and case rules.measure
            when 'mean_ms' then measured.mean_ms
            when 'share' then measured.time_share
            when 'tail_ratio' then measured.tail_ratio
        end > rules.limit_value
),

first_advice as (
    select *
    from advised
    qualify row_number() over (partition by bot, code_version, population, step order by priority, rule_id) = 1
)

select
    measured.bot,
    measured.code_version,
    measured.population,
    measured.phase,
    measured.step,
    measured.trace_count,
    measured.mean_ms,
    measured.p50_ms,
    measured.p95_ms,
    measured.p99_ms,
    case when measured.trace_count < {{ least }} then 'too_few_traces' end as percentile_null_reason,
    cast(measured.max_ms as decimal(18, 3)) as max_ms,
    measured.time_share,
    measured.bottleneck_count,
    case when measured.step <> 'total' then measured.is_slowest end as is_slowest,
    first_advice.rule_id,
    {{ filled('first_advice.recommendation', {
        'step': 'measured.step', 'mean': "printf('%.1f', measured.mean_ms)", 'share': "printf('%.0f', 100 * measured.time_share)",
        'p50': "printf('%.1f', measured.p50_ms)", 'p99': "printf('%.1f', measured.p99_ms)",
    }) }} as recommendation,
    measured.is_synthetic
from measured
left join first_advice
    on measured.bot = first_advice.bot
    and measured.code_version is not distinct from first_advice.code_version
    and measured.population = first_advice.population
    and measured.step = first_advice.step
