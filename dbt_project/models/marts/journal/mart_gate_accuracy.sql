{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'run_days', 'column': "decided_date_ist"}},
) }}
-- Was it right to block? Verdicts of the shadow trades by guard that decided, bot, regime and day. Blocked decisions without a
-- side are counted, not priced. Canonical bars of live runs only: replicas repeat one another.
with rejections as (
    select * from {{ ref('fct_guard_rejections') }} where {{ in_part('decided_at', 'run_days') }} and is_canonical and run_kind = 'live_paper'
),

shadows as (select * from {{ ref('fct_shadow_trades') }} where {{ in_part('decided_at', 'run_days') }}),

horizons as (
    select unnest([{{ var('shadow_horizons_bars') | join(', ') }}]) as horizon_bars
),

blocks as (
    select
        coalesce(rejections.veto_guard_primary, 'none_named') as guard,
        rejections.bot,
        coalesce(rejections.regime_bucket, 'not_logged') as regime_bucket,
        rejections.decided_date_ist,
        horizons.horizon_bars,
        coalesce(rejections.blocked_side_method, 'no_side') as side_method,
        rejections.is_only_causal_veto,
        rejections.is_synthetic,
        shadows.verdict,
        shadows.verdict_before_costs,
        shadows.cf_net_bps,
        shadows.gross_bps,
        shadows.seed_is_good_block,
        shadows.is_non_overlapping
    from rejections
    cross join horizons
    left join shadows
        on rejections.decision_id = shadows.decision_id and horizons.horizon_bars = shadows.horizon_bars
),

counted as (
    select
        guard,
        bot,
        regime_bucket,
        decided_date_ist,
        horizon_bars,
        side_method,
        count(*) as blocked_count,
        count(*) filter (where verdict is null) as without_side_count,
        count(cf_net_bps) as resolved_count,
        count(*) filter (where verdict = 'unresolved') as unresolved_count,
        count(*) filter (where verdict = 'good') as good_count,
        count(*) filter (where verdict = 'neutral') as neutral_count,
        count(*) filter (where verdict = 'bad') as bad_count,
        count(*) filter (where verdict_before_costs = 'good') as good_before_costs_count,
        count(*) filter (where verdict_before_costs = 'bad') as bad_before_costs_count,
        count(*) filter (where seed_is_good_block) as seed_good_count,
        count(*) filter (where is_only_causal_veto and verdict = 'good') as sole_good_count,
        count(*) filter (where is_only_causal_veto and verdict = 'bad') as sole_bad_count,
        count(*) filter (where is_non_overlapping and verdict = 'good') as non_overlapping_good_count,
        count(*) filter (where is_non_overlapping and verdict = 'bad') as non_overlapping_bad_count,
        sum(cf_net_bps) as shadow_pnl_bps,
        sum(gross_bps) filter (where verdict <> 'unresolved') as shadow_gross_bps,
        sum(cf_net_bps) filter (where verdict = 'bad') as missed_profit_bps,
        -sum(cf_net_bps) filter (where verdict = 'good') as avoided_loss_bps,
        bool_or(is_synthetic) as is_synthetic
    from blocks
    group by guard, bot, regime_bucket, decided_date_ist, horizon_bars, side_method
)

select
    guard,
    bot,
    regime_bucket,
    decided_date_ist,
    horizon_bars,
    side_method,
    blocked_count,
    without_side_count,
    unresolved_count,
    resolved_count,
    good_count,
    neutral_count,
    bad_count,
    {{ ratio('good_count', '(good_count + bad_count)') }} as accuracy,
    {{ wilson_bound('good_count', '(good_count + bad_count)', 'lower') }} as accuracy_low,
    {{ wilson_bound('good_count', '(good_count + bad_count)', 'upper') }} as accuracy_high,
    case
        when good_count + bad_count > 0 then null
        when without_side_count = blocked_count then 'no_side'
        when resolved_count = 0 then 'none_resolved'
        else 'all_neutral'
    end as accuracy_null_reason,
    {{ ratio('good_count', 'resolved_count') }} as good_share,
    {{ ratio('good_before_costs_count', '(good_before_costs_count + bad_before_costs_count)') }} as accuracy_before_costs,
    {{ ratio('seed_good_count', 'resolved_count') }} as seed_accuracy,
    sole_good_count,
    sole_bad_count,
    non_overlapping_good_count,
    non_overlapping_bad_count,
    cast(shadow_pnl_bps as decimal(38, 6)) as shadow_pnl_bps,
    cast(shadow_gross_bps as decimal(38, 6)) as shadow_gross_bps,
    -- nothing missed is 0 where something was judged, unknown where nothing was
    cast(case when resolved_count > 0 then coalesce(missed_profit_bps, 0) end as decimal(38, 6)) as missed_profit_bps,
    cast(case when resolved_count > 0 then coalesce(avoided_loss_bps, 0) end as decimal(38, 6)) as avoided_loss_bps,
    is_synthetic
from counted
order by decided_date_ist
