{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
-- A decision in sentences: what came out, every guard that failed in order, and the one change that would have let it through.
with decisions as (select * from {{ ref('fct_decisions') }} where {{ in_runs(bars='bar_open_at') }}),

explanations as not materialized (select * from {{ ref('fct_gate_explanations') }} where {{ in_runs(bars='bar_open_at') }}),

changes as (select * from {{ ref('int_single_changes') }} where {{ in_runs("split_part(decision_id, '|', 1)") }}),

templates as (select * from {{ ref('explanation_templates') }}),

-- list_sort after the aggregate: an ordered aggregate sorts each group by itself, which takes longer
failed as (
    select
        decision_id,
        list_transform(list_sort(list({'failed_no': failed_no, 'guard': guard})), lambda entry: entry.guard) as failed_guards,
        list_transform(
            list_sort(list({'failed_no': failed_no, 'guard': guard}) filter (where guard_role = 'causal')), lambda entry: entry.guard
        ) as failed_path_guards,
        max(case when is_primary then explanation end) as primary_explanation,
        max(case when is_primary then cf_verdict end) as cf_verdict,
        max(cf_net_bps) as cf_net_bps,
        max(cf_null_reason) as cf_null_reason,
        max(cf_horizon_bars) as cf_horizon_bars
    from explanations
    where verdict = 'VETO'
    group by decision_id
),

situated as (
    select
        decisions.*,
        coalesce(failed.failed_guards, []) as failed_guards,
        coalesce(failed.failed_path_guards, []) as failed_path_guards,
        failed.primary_explanation,
        failed.cf_verdict,
        failed.cf_net_bps,
        failed.cf_null_reason,
        failed.cf_horizon_bars,
        changes.guards[1] as one_change_guard,
        changes.unjudged_count,
        case
            when not decisions.is_blocked then 'not_blocked'
            when decisions.is_blocked is null then 'record_lost'
            when len(changes.guards) > 0 then null
            when len(coalesce(failed.failed_path_guards, [])) = 0 then 'no_guard_failed'
            else 'several_guards_failed'
        end as one_change_null_reason,
        case
            when decisions.is_blocked is null then 'record_lost'
            when decisions.is_forced then 'forced'
            when decisions.is_blocked and decisions.organic_direction <> 0 then 'order_stopped'
            when decisions.is_blocked and decisions.exit_reason is not null then 'blocked_with_exit'
            when decisions.is_blocked then 'blocked'
            when decisions.organic_direction = 0 and decisions.execution_count = 0 then 'exit_without_order'
            when decisions.organic_direction = 0 then 'exit'
            else 'traded'
        end as outcome
    from decisions
    left join failed using (decision_id)
    left join changes using (decision_id)
),

-- the condition of the guard that stood alone in the way
with_change as (
    select situated.*, explanations.would_pass_if
    from situated
    left join explanations
        on situated.decision_id = explanations.decision_id and situated.one_change_guard = explanations.guard
),

worded as (
    select
        with_change.*,
        {{ filled('outcomes.template', {
            'bot': 'bot', 'symbol': 'symbol', 'side': 'final_side', 'exit_reason': 'exit_reason',
            'bar': "strftime(bar_open_at at time zone 'Asia/Kolkata', '%Y-%m-%d %H:%M')",
            'arm': "coalesce(chosen_arm, 'none that is logged')",
            'fills': "case execution_count when 0 then 'no order was filled' when 1 then 'one fill' else execution_count || ' fills' end",
        }) }} as outcome_sentence,
        {{ filled('changes.template', {
            'would_pass_if': 'would_pass_if',
            'failed_count': 'cast(len(failed_path_guards) as varchar)',
        }) }} as change_sentence,
        case
            when one_change_guard is not null and unjudged_count > 0 then {{ filled('caveats.template', {
                'unjudged': "case unjudged_count when 1 then 'one guard' else unjudged_count || ' guards' end",
            }) }}
        end as caveat_sentence
    from with_change
    left join templates as outcomes on outcomes.kind = 'outcome' and with_change.outcome = outcomes.situation
    left join templates as changes
        on changes.kind = 'one_change' and coalesce(with_change.one_change_null_reason, 'known') = changes.situation
    left join templates as caveats on caveats.kind = 'one_change' and caveats.situation = 'not_reached'
)

select
    decision_id,
    bot,
    run_id,
    symbol,
    bar_open_at,
    decided_at,
    decided_date_ist,
    run_kind,
    is_canonical,
    outcome,
    is_blocked,
    veto_guard_primary,
    failed_guards,
    failed_path_guards,
    one_change_guard,
    would_pass_if as one_change,
    one_change_null_reason,
    case when one_change_guard is not null then unjudged_count end as unjudged_guard_count,
    cf_horizon_bars,
    cf_net_bps,
    cf_verdict,
    cf_null_reason,
    concat_ws(' ', outcome_sentence, primary_explanation, change_sentence, caveat_sentence) as explanation,
    is_synthetic
from worded
order by bar_open_at
