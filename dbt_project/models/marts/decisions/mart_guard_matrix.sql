-- Where a guard bites: pass rates of canonical bars by bot and one further dimension at a time. Unfinished-bar runs are a
-- value of the dimension run_kind and left out of the others.
with evaluations as (select * from {{ ref('fct_guard_evaluations') }} where is_canonical),

decisions as (select * from {{ ref('fct_decisions') }} where is_canonical),

targets as (select * from {{ ref('guard_pass_rate_targets') }}),

described as (
    select
        evaluations.*,
        decisions.decided_hour_ist,
        decisions.regime_bucket,
        decisions.volatility_regime
    from evaluations
    inner join decisions using (decision_id)
),

dimensioned as (
    select *, 'run_kind' as dimension, run_kind as dimension_value from described
    union all
    select *, 'all' as dimension, 'all' as dimension_value from described where run_kind = 'live_paper'
    union all
    select *, 'hour_ist' as dimension, printf('%02d', decided_hour_ist) as dimension_value
    from described
    where run_kind = 'live_paper'
    union all
    select *, 'regime_bucket' as dimension, coalesce(regime_bucket, 'unknown') as dimension_value
    from described
    where run_kind = 'live_paper'
    union all
    select *, 'volatility_regime' as dimension, coalesce(volatility_regime, 'unknown') as dimension_value
    from described
    where run_kind = 'live_paper'
),

counted as (
    select
        guard,
        stage,
        guard_role,
        bot,
        dimension,
        dimension_value,
        {{ guard_counts() }}
    from dimensioned
    group by guard, stage, guard_role, bot, dimension, dimension_value
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
    dimension,
    dimension_value,
    stage,
    guard_role,
    evaluation_count,
    judged_count,
    pass_count,
    veto_count,
    unknown_count,
    pass_rate,
    case when judged_count = 0 then 'every_verdict_unknown' end as pass_rate_null_reason,
    {{ wilson_bound('pass_count', 'judged_count', 'lower') }} as pass_rate_low,
    {{ wilson_bound('pass_count', 'judged_count', 'upper') }} as pass_rate_high,
    targets.target_min_share,
    targets.target_ideal_share,
    targets.target_max_share,
    pass_rate between targets.target_min_share and targets.target_max_share as is_within_target,
    case
        when targets.guard is null then 'no_target_set'
        when judged_count = 0 then 'every_verdict_unknown'
    end as is_within_target_null_reason,
    causal_veto_count,
    primary_veto_count,
    unique_veto_count,
    seed_veto_count,
    min_margin_abs,
    median_margin_abs,
    max_margin_abs,
    is_synthetic
from rated
left join targets on rated.guard = targets.guard and rated.bot = targets.bot
