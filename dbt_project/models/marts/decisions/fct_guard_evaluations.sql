{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
with verdicts as (select * from {{ ref('int_guard_verdicts') }} where {{ in_runs(bars='bar_open_at') }}),

decisions as (select * from {{ ref('fct_decisions') }} where {{ in_runs(bars='bar_open_at') }})

select
    verdicts.decision_id,
    verdicts.guard,
    decisions.bot,
    decisions.run_id,
    decisions.symbol,
    decisions.bar_open_at,
    decisions.decided_at,
    decisions.decided_date_ist,
    decisions.run_kind,
    decisions.is_canonical,
    decisions.is_forced,
    decisions.code_version,
    verdicts.stream,
    verdicts.flag,
    verdicts.polarity,
    verdicts.stage,
    verdicts.guard_role,
    verdicts.priority,
    verdicts.veto_reason,
    verdicts.verdict,
    verdicts.verdict_source,
    verdicts.unknown_reason,
    verdicts.recomputed_verdict,
    verdicts.logged_verdict,
    verdicts.is_disagreeing,
    verdicts.input_metric,
    verdicts.input_value,
    verdicts.comparator,
    verdicts.limit_lo,
    verdicts.limit_hi,
    verdicts.unit,
    verdicts.margin_abs,
    100 * verdicts.margin_abs / nullif(abs(verdicts.binding_limit), 0) as margin_pct,
    case
        when verdicts.margin_abs is null then coalesce(verdicts.unknown_reason, 'input_not_logged')
        when verdicts.binding_limit = 0 then 'limit_is_zero'
    end as margin_pct_null_reason,
    verdicts.is_causal,
    verdicts.is_primary,
    verdicts.verdict = 'VETO' and verdicts.veto_count = 1 as is_unique_veto,
    verdicts.is_seed_veto as seed_veto,
    decisions.is_synthetic
from verdicts
inner join decisions using (decision_id)
order by bar_open_at
