-- How did each day of each bot go?
select bot, session_id, round(alive_share, 2) as alive_share, total_decisions, total_trades, round(rejection_rate, 4) as rejection_rate, total_pnl_usd, round(max_dd_session, 5) as max_dd_session
from marts.mart_session_summary_daily
order by bot, session_id;

-- What stopped each bot on each day?
select bot, session_id, total_rejections, rejection_breakdown
from marts.mart_session_summary_daily
order by bot, session_id;

-- Is there a win rate to speak of, and if not, why?
select bot, session_id, closed_trade_count, judged_trade_count, trade_win_rate, null_reasons['trade_win_rate'] as reason
from marts.mart_session_summary_daily
order by bot, session_id;
