{{ config(materialized='view') }}
-- How closed trades ended: the columns of the second system in its order. The bot sets no targets and predicts no return, so
-- those columns say so by being NULL.
with trades as (select trade_id, slippage_bps from {{ ref('trades') }}),

round_trips as (select * from {{ ref('fct_round_trips') }} where status = 'closed')

select
    round_trips.trade_id,
    round_trips.closed_at as ts,
    1e4 * {{ ratio('round_trips.gross_pnl_usd', 'cast(round_trips.entry_notional_usd as double)') }} as actual_return_bps,
    round_trips.holding_s as actual_duration_sec,
    cast(null as double) as actual_sharpe,
    cast(null as double) as predicted_return_bps,
    cast(null as double) as prediction_error_bps,
    round_trips.mae_bps as max_drawdown_bps,
    round_trips.mfe_bps as max_runup_bps,
    case when round_trips.exit_reason <> 'UNKNOWN' then round_trips.exit_reason = 'TAKE_PROFIT' end as hit_tp,
    case when round_trips.exit_reason <> 'UNKNOWN' then round_trips.exit_reason = 'STOP_LOSS' end as hit_sl,
    case when round_trips.exit_reason = 'TAKE_PROFIT' then round_trips.holding_s end as time_to_tp_sec,
    case when round_trips.exit_reason = 'STOP_LOSS' then round_trips.holding_s end as time_to_sl_sec,
    trades.slippage_bps as execution_slippage_bps,
    1e4 * {{ ratio('round_trips.fees_usd', 'cast(round_trips.entry_notional_usd as double)') }} as total_cost_bps,
    round_trips.return_bps as net_return_bps,
    to_json({
        'exit_reason': round_trips.exit_reason, 'exit_reason_rule': round_trips.exit_reason_rule,
        'fill_count': round_trips.fill_count, 'impact_usd': round_trips.impact_usd,
        'excursion_basis': round_trips.excursion_basis, 'path_coverage_share': round_trips.path_coverage_share
    }) as outcome_json,
    round_trips.outcome,
    round_trips.return_null_reason as net_return_null_reason
from round_trips
inner join trades using (trade_id)
