{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
-- Every verdict of every guard as a sentence: templates (seed explanation_templates) filled with value, limit and margin, what
-- it meant for the decision, and for the guard that decided, whether the block was good.
with evaluations as not materialized (select * from {{ ref('fct_guard_evaluations') }} where {{ in_runs(bars='bar_open_at') }}),

phrases as (select * from {{ ref('guard_phrases') }}),

templates as (select * from {{ ref('explanation_templates') }}),

shadows as (select * from {{ ref('fct_shadow_trades') }} where {{ in_runs(bars='bar_open_at') }} and is_headline_horizon),

rejections as (select decision_id, blocked_side from {{ ref('fct_guard_rejections') }} where {{ in_runs(bars='bar_open_at') }}),

-- a margin that contradicts the record proves nothing about the guard
judged as not materialized (
    select
        * exclude (margin_abs, margin_pct, margin_pct_null_reason),
        verdict = 'VETO' and verdict_source = 'logged' and recomputed_verdict = 'PASS' as is_contradicted,
        case when verdict = 'UNKNOWN' or is_contradicted then null else margin_abs end as margin_abs,
        case when verdict = 'UNKNOWN' or is_contradicted then null else margin_pct end as margin_pct,
        case when is_contradicted then 'record_contradicts_value' else margin_pct_null_reason end as margin_pct_null_reason,
        case
            when comparator = 'between' then if(input_value - limit_lo <= limit_hi - input_value, limit_lo, limit_hi)
            else coalesce(limit_lo, limit_hi)
        end as limit_value
    from evaluations
),

situated as not materialized (
    select
        judged.*,
        case
            when verdict = 'UNKNOWN' then 'UNKNOWN_' || unknown_reason
            when is_contradicted then 'VETO_contradicted'
            when margin_abs is not null then verdict || '_' || comparator
            when verdict = 'PASS' then 'PASS_silence'
            when limit_value is null then 'VETO_logged_no_limit'
            else 'VETO_logged'
        end as situation,
        case
            when verdict <> 'VETO' then null
            when limit_value is null then 'token_only'
            -- no limit would turn an arm without any score into a direction
            when margin_abs is null or (stage = 'arm' and input_value = 0) then comparator || '_value_only'
            else comparator
        end as pass_situation,
        case
            when guard_role = 'advisory' then 'advisory'
            when verdict <> 'VETO' then null
            when is_primary then 'primary'
            when is_causal then 'causal'
            else 'not_causal'
        end as consequence,
        case when is_primary then decision_id end as decided_by_id
    from judged
),

-- the decision path first, what is only logged last; only those that failed, as sorting them all would take longest
ranked as (
    select
        *,
        row_number() over (
            partition by decision_id order by guard_role = 'advisory', not is_primary, not is_causal, priority, guard
        ) as failed_no
    from situated
    where verdict = 'VETO'
    union all by name
    select * from situated where verdict <> 'VETO'
),

described as (
    select
        ranked.*,
        {{ readable('ranked.input_value') }} || coalesce(phrases.unit_suffix, '') as value_text,
        {{ readable('ranked.limit_value') }} || coalesce(phrases.unit_suffix, '') as limit_text,
        {{ readable('abs(ranked.margin_abs)') }} || coalesce(phrases.unit_suffix, '')
        || coalesce(' (' || printf('%.1f', abs(ranked.margin_pct)) || ' % of the limit)', '') as margin_text,
        case when ranked.is_primary then coalesce(shadows.unresolved_reason, shadows.verdict, 'no_side') end as counterfactual,
        case when ranked.is_primary then rejections.blocked_side end as side,
        shadows.side_method,
        case when ranked.is_primary then shadows.horizon_bars end as cf_horizon_bars,
        case when ranked.is_primary then shadows.cf_net_bps end as cf_net_bps,
        case
            when not ranked.is_primary then null
            when shadows.verdict is null then 'unresolved'
            else shadows.verdict
        end as cf_verdict
    from ranked
    left join phrases on ranked.guard = phrases.guard
    left join shadows on ranked.decided_by_id = shadows.decision_id
    left join rejections on ranked.decided_by_id = rejections.decision_id
),

-- what is the same for all verdicts of a guard is filled in once, not once per verdict
guards as (select distinct guard from evaluations),

guard_templates as (
    select
        guards.guard,
        templates.kind,
        templates.situation,
        {{ filled('templates.template', {
            'guard': 'guards.guard', 'subject': 'phrases.subject', 'limit_clause': 'phrases.limit_clause',
        }) }} as template
    from guards
    cross join templates
    left join phrases on guards.guard = phrases.guard
    where templates.kind in ('verdict', 'would_pass_if')
),

worded as (
    select
        described.*,
        {{ filled('verdicts.template', {'value': 'value_text', 'limit': 'limit_text', 'margin': 'margin_text'}) }} as verdict_sentence,
        {{ filled('changes.template', {'value': 'value_text', 'limit': 'limit_text'}) }} as would_pass_if,
        consequences.template as consequence_sentence,
        {{ filled('counterfactuals.template', {
            'side': 'side', 'cf': "printf('%.1f', abs(cast(cf_net_bps as double)))",
            'signed_cf': "printf('%.1f', cast(cf_net_bps as double))",
            'horizon': "case cf_horizon_bars when 1 then 'the next bar' else 'the next ' || cf_horizon_bars || ' bars' end",
            'assumed': "case side_method when 'model_score_assumed' then ' (assuming the side of the flipped model score, as no arm was eligible)' end",
        }) }} as counterfactual_sentence
    from described
    left join guard_templates as verdicts
        on verdicts.kind = 'verdict' and described.guard = verdicts.guard and described.situation = verdicts.situation
    left join guard_templates as changes
        on changes.kind = 'would_pass_if' and described.guard = changes.guard and described.pass_situation = changes.situation
    left join templates as consequences on consequences.kind = 'consequence' and described.consequence = consequences.situation
    left join templates as counterfactuals
        on counterfactuals.kind = 'counterfactual' and described.counterfactual = counterfactuals.situation
)

select
    decision_id,
    guard,
    bot,
    run_id,
    symbol,
    bar_open_at,
    decided_at,
    decided_date_ist,
    run_kind,
    is_canonical,
    stage,
    guard_role,
    priority,
    verdict,
    situation,
    input_value,
    comparator,
    limit_value,
    unit,
    margin_abs,
    margin_pct,
    margin_pct_null_reason,
    would_pass_if,
    failed_no,
    is_causal,
    is_primary,
    cf_horizon_bars,
    cf_net_bps,
    cf_verdict,
    case when is_primary and cf_net_bps is null then counterfactual end as cf_null_reason,
    concat_ws(' ', verdict_sentence, consequence_sentence, counterfactual_sentence) as explanation,
    is_synthetic
from worded
order by bar_open_at
