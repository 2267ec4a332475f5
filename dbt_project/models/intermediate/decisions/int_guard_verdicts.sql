{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
-- Verdict of every guard in force: recomputed where value and limit are known, else as logged, else unknown with the reason;
-- and whether that veto is what left the decision without a trade.
-- Not materialized: the verdicts are read three times, and the largest relation of all is cheaper computed again than kept.
with inputs as not materialized (select * from {{ ref('int_guard_inputs') }} where {{ in_runs(bars='bar_open_at') }}),

measured as not materialized (
    select
        *,
        {{ guard_margin('input_value', 'comparator', 'limit_lo', 'limit_hi') }} as raw_margin_abs,
        {{ logged_guard_verdict('polarity', 'flag_value', 'logged_token', 'flag') }} as logged_verdict
    from inputs
),

staged as not materialized (
    select
        *,
        case stage
            when 'guard' then coalesce(direction_before_guards <> 0, false)
            when 'order' then coalesce(decision_direction <> 0, false)
            else true
        end as is_evaluated
    from measured
),

-- a limit that the bot made up for itself proves nothing about the value; a guard that did not look has no margin
margined as not materialized (
    select *, case when is_evaluated and default_input_rule <> 'limit_is_default' then raw_margin_abs end as margin_abs
    from staged
),

judged as not materialized (
    select *, {{ guard_verdict('margin_abs', 'comparator') }} as recomputed_verdict from margined
),

-- the first guard of the path to fire silences those after it; the gate also hides whatever fired before it
decided as not materialized (
    select
        *,
        default_input_rule = 'silence_is_pass'
        and polarity = 'token_present'
        and is_evaluated
        and has_record
        and (stage <> 'guard' or (not is_gate_logged and priority < coalesce(logged_priority, priority + 1))) as is_silent_pass
    from judged
),

-- a token is a fact; a flag is a fact only about an input that was there
verdicts as not materialized (
    select
        *,
        case
            when polarity = 'token_present' and logged_verdict = 'VETO' then 'VETO'
            when not is_evaluated then 'UNKNOWN'
            when recomputed_verdict is not null then recomputed_verdict
            when is_silent_pass then 'PASS'
            else 'UNKNOWN'
        end as verdict,
        case
            when polarity = 'token_present' and logged_verdict = 'VETO' then 'logged'
            when not is_evaluated then null
            when recomputed_verdict is not null then 'recomputed'
            when is_silent_pass then 'silence'
        end as verdict_source
    from decided
),

explained as not materialized (
    select
        *,
        case
            when verdict <> 'UNKNOWN' then null
            when not has_record then 'record_lost'
            when not is_evaluated then 'no_direction_to_guard'
            when default_input_rule = 'limit_is_default' then 'limit_is_default'
            when default_input_rule = 'zero_is_missing' and input_value is null then 'input_never_sent'
            when default_input_rule = 'not_evaluated' then 'input_not_logged'
            when default_input_rule = 'silence_is_pass' then 'silenced_by_another_guard'
            when comparator in ('ge', 'gt', 'between') and limit_lo is null then 'no_limit_in_force'
            when stage = 'order' then 'no_earlier_order'
            else 'input_missing'
        end as unknown_reason
    from verdicts
),

outcomes as not materialized (
    select
        *,
        organic_direction = 0 and direction_before_guards = 0 and not has_exit_order as is_without_direction,
        -- an exit order sets the direction to none as well: then only a logged token proves a guard
        organic_direction = 0 and direction_before_guards <> 0
        and (not has_exit_order or logged_token is not null) as is_direction_lost
    from explained
),

guard_vetoes as not materialized (
    -- distinct: decisions, not vetoes
    select distinct decision_id from verdicts where stage = 'guard' and verdict = 'VETO'
),

deciding as not materialized (
    select
        outcomes.*,
        verdict = 'VETO' and is_causal_guard and coalesce(
            case stage
                -- each arm gate that failed would have given the decision a direction; an exit rule needs none
                when 'arm' then is_without_direction and arm_direction = 0
                when 'overlay' then is_without_direction
                -- where the log names a guard it was the first; without one (or behind the gate) the recomputed first is
                when 'guard' then is_direction_lost and (logged_verdict = 'VETO' or logged_priority is null)
                when 'gate' then is_direction_lost and guard_vetoes.decision_id is null
                when 'order' then organic_direction <> 0 and execution_count = 0
            end,
            false
        ) as is_causal
    from outcomes
    left join guard_vetoes on outcomes.decision_id = guard_vetoes.decision_id
),

-- by aggregate and join, not by window: this is the largest relation of all
veto_summaries as not materialized (
    select
        decision_id,
        count(*) as veto_count,
        arg_min(guard, (priority, guard)) filter (where is_causal) as primary_guard
    from deciding
    where verdict = 'VETO'
    group by decision_id
)

select
    deciding.decision_id,
    run_id,
    bar_open_at,
    guard,
    stream,
    flag,
    polarity,
    stage,
    case when is_causal_guard then 'causal' else 'advisory' end as guard_role,
    priority,
    veto_reason,
    verdict,
    verdict_source,
    unknown_reason,
    recomputed_verdict,
    logged_verdict,
    recomputed_verdict <> logged_verdict as is_disagreeing,
    input_metric,
    input_value,
    comparator,
    limit_lo,
    limit_hi,
    unit,
    margin_abs,
    case
        -- of two limits the nearer one binds
        when comparator = 'between' then if(input_value - limit_lo <= limit_hi - input_value, limit_lo, limit_hi)
        else coalesce(limit_lo, limit_hi)
    end as binding_limit,
    coalesce(is_seed_veto, false) as is_seed_veto,
    is_causal,
    coalesce(guard = primary_guard, false) as is_primary,
    coalesce(veto_count, 0) as veto_count
from deciding
left join veto_summaries on deciding.decision_id = veto_summaries.decision_id
order by bar_open_at
