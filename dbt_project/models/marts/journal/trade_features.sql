{{ config(materialized='view') }}
-- What was known when a trade was opened: the columns of the second system in its order. What the bot does not log is NULL.
with trades as (select * from {{ ref('trades') }}),

decisions as (select * from {{ ref('fct_decisions') }})

select
    trades.trade_id,
    decisions.decided_at as ts,
    -- greatest() ignores NULL, so both are asked for
    case when decisions.p_up_prob is not null and decisions.p_down_prob is not null
        then greatest(decisions.p_up_prob, decisions.p_down_prob) end as confidence,
    decisions.decision_strength as signal_strength,
    cast(null as double) as predicted_return,
    cast(null as double) as predicted_sharpe,
    decisions.realized_vol as volatility_1h,
    decisions.quoted_spread_bps as spread_bps,
    decisions.liquidity_score,
    cast(null as double) as recent_trend_30m,
    decisions.volume_ratio as volume_vs_avg,
    cast(null as double) as order_book_imbalance,
    cast(null as double) as meta_label_prob,
    cast(null as double) as cost_adjusted_sharpe,
    cast(null as double) as execution_quality,
    case when decisions.decision_id is not null then to_json({
        'p_down_prob': decisions.p_down_prob, 'p_neutral_prob': decisions.p_neutral_prob, 'p_up_prob': decisions.p_up_prob,
        's_model': decisions.s_model, 'chosen_arm': decisions.chosen_arm, 'chosen_arm_value': decisions.chosen_arm_value,
        'pred_cal_bps_at_entry': decisions.pred_cal_bps_at_entry, 'bar_volume_qty': decisions.bar_volume_qty,
        'bar_range_bps': decisions.bar_range_bps, 'price_change_bps': decisions.price_change_bps,
        'funding_rate': decisions.funding_rate, 'regime_bucket': decisions.regime_bucket,
        'volatility_regime': decisions.volatility_regime
    }) end as features_json,
    case when decisions.decision_id is null then 'opening_decision_lost' else 'not_logged_by_this_bot' end as null_columns_reason
from trades
left join decisions on trades.opening_decision_id = decisions.decision_id
