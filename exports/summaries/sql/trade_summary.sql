-- One row per round trip: on the IST day it was closed, or of its opening while it has no close.
select
    trade_id, bot, run_id, run_kind, symbol, direction, status, opened_at, closed_at, holding_s,
    entry_qty, exit_qty, open_qty, entry_vwap_px, exit_vwap_px, entry_notional_usd,
    gross_pnl_usd, fees_usd, impact_usd, slippage_usd, net_pnl_usd, net_pnl_null_reason, return_bps, outcome,
    unrealized_pnl_usd, entry_reason, exit_reason, exit_reason_confidence, mae_bps, mfe_bps,
    pred_cal_bps_at_entry, in_band_at_entry, is_forced, is_canonical, is_synthetic
from marts.fct_round_trips
where coalesce(closed_date_ist, opened_date_ist) >= $first and coalesce(closed_date_ist, opened_date_ist) < $end
order by coalesce(closed_at, opened_at), trade_id
