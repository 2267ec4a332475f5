{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
-- Decisions that came to nothing of their own: the entry the bot did not make, and the guard that decided it.
with decisions as (select * from {{ ref('fct_decisions') }} where {{ in_runs(bars='bar_open_at') }} and is_blocked),

primaries as (select * from {{ ref('fct_guard_evaluations') }} where {{ in_runs(bars='bar_open_at') }} and is_primary)

select
    decisions.decision_id,
    decisions.bot,
    decisions.run_id,
    decisions.symbol,
    decisions.bar_open_at,
    decisions.bar_close_at,
    decisions.decided_at,
    decisions.decided_date_ist,
    decisions.run_kind,
    decisions.is_canonical,
    decisions.replica_no,
    decisions.is_forced,
    decisions.veto_reason_primary,
    decisions.veto_reason_null_reason,
    decisions.veto_guard_primary,
    decisions.veto_reason_secondary,
    decisions.is_causal,
    decisions.causal_veto_count,
    decisions.causal_veto_count = 1 as is_only_causal_veto,
    decisions.seed_veto_reason,
    primaries.stage as primary_stage,
    primaries.verdict_source as primary_verdict_source,
    primaries.input_value as primary_value,
    primaries.comparator as primary_comparator,
    primaries.limit_lo as primary_limit_lo,
    primaries.limit_hi as primary_limit_hi,
    primaries.unit as primary_unit,
    primaries.margin_abs,
    primaries.margin_pct,
    coalesce(
        primaries.margin_pct_null_reason, case when primaries.decision_id is null then 'no_causal_guard' end
    ) as margin_null_reason,
    decisions.guard_details,
    decisions.guard_token,
    decisions.is_guard_token_causal,
    decisions.blocked_side,
    decisions.blocked_side_method,
    decisions.null_reasons['blocked_side'] as blocked_side_null_reason,
    decisions.s_model,
    decisions.chosen_arm,
    decisions.regime_bucket,
    decisions.volatility_regime,
    decisions.is_synthetic
from decisions
left join primaries using (decision_id)
order by bar_open_at
