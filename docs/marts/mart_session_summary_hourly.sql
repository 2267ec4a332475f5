-- Which hours traded, and what did they earn per book?
select bot, session_id, total_decisions, total_trades, forced_trade_count, total_pnl_usd, round(total_pnl_usd / pnl_book_count, 2) as pnl_per_book_usd
from marts.mart_session_summary_hourly
where total_trades > 0
order by bot, session_id;

-- Why did the 5m bot reject, hour by hour, and what would the audit's script have said?
select session_id, total_decisions, total_rejections, rejection_breakdown, seed_rejection_breakdown
from marts.mart_session_summary_hourly
where bot = '5m'
order by session_id;

-- At which hours of the day is the market liquid and lively for the 5m bot?
select date_part('hour', session_start_ts_ist) as hour_ist, count(*) as session_count,
    round(sum(avg_liquidity_score * liquidity_score_count) / sum(liquidity_score_count), 3) as liquidity_score,
    round(sum(avg_rv_1h * rv_1h_count) / sum(rv_1h_count), 5) as rv_1h
from marts.mart_session_summary_hourly
where bot = '5m'
group by all
order by hour_ist;
