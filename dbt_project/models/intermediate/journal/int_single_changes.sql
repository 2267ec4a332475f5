{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "split_part(decision_id, '|', 1)"}},
) }}
-- The guards of which each, had it alone passed, would have let a blocked decision through. Without a direction one arm has to
-- become eligible, and any arm will do; with one, every guard after it has to pass.
with blocked as (select decision_id, veto_reason_primary from {{ ref('fct_decisions') }} where {{ in_runs(bars='bar_open_at') }} and is_blocked),

evaluations as (select * from {{ ref('fct_guard_evaluations') }} where {{ in_runs(bars='bar_open_at') }} and guard_role = 'causal'),

phrases as (select * from {{ ref('guard_phrases') }}),

path as (
    select evaluations.*, phrases.arm
    from evaluations
    inner join blocked using (decision_id)
    left join phrases on evaluations.guard = phrases.guard
),

-- an arm that missed one limit only, and whose other limits are all known
arms as (
    select
        decision_id,
        arm,
        count(*) filter (where verdict = 'VETO') as failed_count,
        count(*) filter (where verdict = 'UNKNOWN') as unknown_count,
        min(guard) filter (where verdict = 'VETO') as failed_guard,
        min(abs(margin_pct)) filter (where verdict = 'VETO') as missed_pct
    from path
    where stage = 'arm' and decision_id in (select decision_id from path where stage = 'arm' and is_causal)
    group by decision_id, arm
),

nearest_arms as (
    select
        decision_id,
        list(failed_guard order by missed_pct, failed_guard) filter (where failed_count = 1 and unknown_count = 0) as arm_guards,
        cast(sum(failed_count) as bigint) as arm_failed_count
    from arms
    group by decision_id
),

later as (
    select
        decision_id,
        count(*) filter (where verdict = 'VETO') as failed_count,
        count(*) filter (where verdict = 'UNKNOWN') as unjudged_count,
        min(guard) filter (where verdict = 'VETO') as failed_guard
    from path
    where stage <> 'arm'
    group by decision_id
),

joined as (
    select
        blocked.decision_id,
        nearest_arms.decision_id is not null as is_without_arm,
        nearest_arms.arm_guards,
        coalesce(nearest_arms.arm_failed_count, 0) + coalesce(later.failed_count, 0) as failed_count,
        coalesce(later.failed_count, 0) as later_failed_count,
        coalesce(later.unjudged_count, 0) as unjudged_count,
        later.failed_guard as later_guard
    from blocked
    left join nearest_arms using (decision_id)
    left join later using (decision_id)
)

select
    decision_id,
    -- the nearest to its limit first
    case
        when is_without_arm and later_failed_count = 0 then coalesce(arm_guards, [])
        when not is_without_arm and later_failed_count = 1 then [later_guard]
        else []
    end as guards,
    failed_count,
    unjudged_count
from joined
