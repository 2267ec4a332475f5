{{ config(materialized='view') }}
-- The journal's shadow trades over the headline horizon: the columns of the second system in its order. No targets are
-- logged, so cf_hit_tp and cf_hit_sl are NULL; so is was_good_block while neutral or unresolved.
with shadows as (select * from {{ ref('fct_shadow_trades') }} where is_headline_horizon),

rejections as (select decision_id, guard_details from {{ ref('fct_guard_rejections') }}),

explanations as (select decision_id, explanation from {{ ref('fct_gate_explanations') }} where is_primary),

predictions as (
    select decision_id, model_version
    from {{ ref('fct_predictions') }}
    where horizon_bars = {{ var('prediction_horizons_bars') | min }}
)

select
    shadows.shadow_id,
    shadows.decided_at as ts,
    shadows.symbol,
    shadows.bot as mode,
    case shadows.side when 'BUY' then 'long' else 'short' end as side,
    shadows.entry_px as entry_price,
    coalesce(shadows.veto_guard_primary, 'none_named') as blocked_by,
    coalesce(explanations.explanation, 'No guard is named.') as block_reason,
    cast(rejections.guard_details as varchar) as gate_inputs,
    shadows.cf_net_bps as cf_pnl_bps,
    case when shadows.cf_net_bps is not null then epoch(shadows.label_ended_at - shadows.bar_open_at) - epoch({{ bar_length('shadows.bot') }}) end
        as cf_duration_sec,
    cast(null as boolean) as cf_hit_tp,
    cast(null as boolean) as cf_hit_sl,
    case shadows.verdict when 'good' then true when 'bad' then false end as was_good_block,
    predictions.model_version as model_id,
    shadows.decision_id as event_id,
    to_json(list_filter(
        [
            case when shadows.side_method = 'model_score_assumed' then 'side_assumed' end,
            case when shadows.is_forced then 'forced' end,
            case when not shadows.is_canonical then 'replica' end,
            case when shadows.run_kind = 'offline_smoke' then 'offline_smoke' end,
            case when shadows.is_synthetic then 'synthetic' end
        ],
        lambda tag: tag is not null
    )) as tags,
    shadows.verdict,
    shadows.unresolved_reason,
    shadows.side_method,
    shadows.is_canonical and shadows.run_kind = 'live_paper' as is_in_statistics,
    shadows.is_synthetic
from shadows
left join rejections using (decision_id)
left join explanations using (decision_id)
left join predictions using (decision_id)
