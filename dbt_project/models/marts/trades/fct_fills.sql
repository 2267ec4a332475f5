{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'since': 'emitted_at'}},
) }}
-- Own executions with costs, position and the trades they belong to.
with fills as (select * from {{ ref('int_fills') }} where {{ in_runs(since='emitted_at') }}),

parts as (select * from {{ ref('int_fill_parts') }} where {{ in_runs("split_part(book_id, '|', 2)") }}),

calibrations as (select * from {{ ref('int_calibration_at_entry') }} where {{ in_runs() }} and entry_kind = 'execution'),

trades_of_fill as (
    select
        fill_id,
        list(trade_id order by part_no) as related_trade_ids,
        arg_max(trade_id, part_no) as related_trade_id,
        bool_or(role = 'ENTRY') as is_entry,
        bool_or(role = 'EXIT') as is_exit
    from parts
    group by fill_id
)

select
    fills.fill_id,
    fills.book_id,
    fills.decision_id,
    fills.bot,
    fills.run_id,
    fills.run_kind,
    fills.symbol,
    fills.bar_open_at,
    fills.bar_close_at,
    fills.bar_counter,
    fills.side,
    fills.filled_at,
    fills.emitted_at,
    {{ date_ist('fills.filled_at') }} as filled_date_ist,
    fills.fill_no,
    fills.is_order_ambiguous,
    fills.fill_qty as qty,
    fills.fill_px as price,
    fills.fill_px * fills.fill_qty as notional_usd,
    fills.fee_usd,
    fills.fee_bps,
    fills.impact_usd,
    fills.impact_bps,
    fills.impact_k,
    case when fills.breakdown_match_method is null then 'no_costs_record' end as costs_null_reason,
    fills.bar_close_px as decision_px,
    fills.bar_close_method as decision_px_method,
    case when fills.is_valid then fills.slippage_usd end as slippage_usd,
    case
        when fills.is_valid
            then cast(fills.side_sign * (fills.fill_px - fills.bar_close_px) as double) / cast(nullif(fills.bar_close_px, 0) as double) * 1e4
    end as slippage_bps,
    case
        when not coalesce(fills.is_valid, false) then 'invalid_fill'
        when fills.bar_close_px is null then 'bar_close_unknown'
    end as slippage_null_reason,
    fills.attribution_match_method,
    fills.breakdown_match_method,
    (epoch_us(fills.emitted_at) - epoch_us(fills.attribution_emitted_at)) / 1000.0 as attribution_lead_ms,
    (epoch_us(fills.breakdown_emitted_at) - epoch_us(fills.emitted_at)) / 1000.0 as breakdown_lag_ms,
    fills.is_forced,
    case when not fills.has_signal then 'no_signal_record' end as is_forced_null_reason,
    fills.chosen_arm,
    fills.position_before_qty,
    fills.position_after_qty,
    coalesce(trades_of_fill.is_entry, false) as is_entry,
    coalesce(trades_of_fill.is_exit, false) as is_exit,
    trades_of_fill.related_trade_id,
    coalesce(trades_of_fill.related_trade_ids, []) as related_trade_ids,
    case when not coalesce(fills.is_valid, false) then 'side, price or quantity is missing or not positive' end as ledger_null_reason,
    calibrations.pred_cal_bps_at_entry,
    calibrations.in_band_at_entry,
    calibrations.is_tradable_at_entry,
    calibrations.calibration_score_at_entry,
    calibrations.match_method,
    calibrations.match_lag_ms,
    calibrations.is_exact_match,
    calibrations.calibration_null_reason,
    calibrations.calibration_score_null_reason,
    fills.is_canonical,
    fills.replica_no,
    fills.source_file,
    fills.line_no,
    fills.is_synthetic
from fills
left join trades_of_fill on fills.fill_id = trades_of_fill.fill_id
left join calibrations on fills.source_file = calibrations.source_file and fills.line_no = calibrations.line_no
order by emitted_at
