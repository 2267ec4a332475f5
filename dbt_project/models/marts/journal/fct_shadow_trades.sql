{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
-- What each blocked decision would have made, had the side it held back been traded: never beyond the end of its run, and
-- only over bars whose closes the run itself came to know after the decision.
{%- set band = var('shadow_dead_band_bps') %}
with prices as (select * from {{ ref('int_shadow_prices') }} where {{ in_runs(bars='bar_open_at') }} and is_blocked),

rejections as (select * from {{ ref('fct_guard_rejections') }} where {{ in_runs(bars='bar_open_at') }}),

judged as (
    select
        prices.*,
        case when unresolved_reason is null then net_bps end as cf_net_bps,
        case
            when unresolved_reason is not null then 'unresolved'
            when net_bps < -{{ band }} then 'good'
            when net_bps > {{ band }} then 'bad'
            else 'neutral'
        end as verdict,
        case
            when gross_bps < -{{ band }} then 'good'
            when gross_bps > {{ band }} then 'bad'
            when gross_bps is not null then 'neutral'
            else 'unresolved'
        end as verdict_before_costs
    from prices
)

select
    judged.decision_id || '|h' || judged.horizon_bars as shadow_id,
    judged.decision_id,
    judged.horizon_bars,
    judged.horizon_bars = {{ var('shadow_headline_horizon_bars') }} as is_headline_horizon,
    judged.bot,
    judged.run_id,
    judged.symbol,
    judged.bar_open_at,
    judged.decided_at,
    rejections.decided_date_ist,
    rejections.run_kind,
    rejections.is_canonical,
    rejections.is_forced,
    rejections.veto_reason_primary,
    rejections.veto_guard_primary,
    rejections.is_only_causal_veto,
    rejections.regime_bucket,
    rejections.volatility_regime,
    rejections.blocked_side as side,
    rejections.blocked_side_method as side_method,
    judged.entry_px,
    judged.entry_age_s,
    judged.exit_px,
    judged.label_ended_at,
    judged.label_known_at,
    judged.gross_bps,
    judged.fee_bps,
    judged.slippage_bps,
    judged.impact_bps,
    judged.cf_net_bps,
    judged.verdict,
    judged.unresolved_reason,
    judged.verdict_before_costs,
    -- the readings of the second system: its explainer calls everything from 0 up a bad block
    judged.cf_net_bps < 0 as seed_is_good_block,
    -- every horizon_bars-th bar: shadow trades on this grid never overlap
    cast(epoch(judged.bar_open_at) / epoch({{ bar_length('judged.bot') }}) as bigint) % judged.horizon_bars = 0 as is_non_overlapping,
    rejections.is_synthetic
from judged
inner join rejections using (decision_id)
order by bar_open_at
