-- One row per bot and IST hour. The breakdown is text, so that a record stays flat.
select
    session_id, bot, session_start_at, session_end_at, alive_share, run_count, total_decisions, total_intents, total_trades,
    forced_trade_count, fill_count, total_rejections, unknown_count, rejection_rate,
    array_to_string(
        list_transform(list_sort(json_keys(rejection_breakdown)), lambda reason: reason || '=' || (rejection_breakdown ->> reason)), '; '
    ) as rejection_breakdown,
    avg_spread_bps, avg_bar_range_bps, avg_liquidity_score, avg_rv_1h, total_pnl_usd, max_dd_session,
    closed_trade_count, won_trade_count, trade_win_rate, is_synthetic
from marts.mart_session_summary_hourly
where date_ist >= $first and date_ist < $end
order by session_start_at, bot
