-- How far did each bot's runs fall below their highest equity?
select bot, count(distinct run_id) as run_count, round(min(drawdown_share) * 100, 3) as deepest_drawdown_pct, min(equity_usd) as lowest_equity_usd
from marts.fct_equity
group by bot
order by bot;

-- Does the logged result agree with fills and bar closes?
select bot, count(*) as point_count, count(pnl_difference_usd) as compared_count, max(abs(pnl_difference_usd))::decimal(18, 4) as largest_difference_usd
from marts.fct_equity
group by bot
order by bot;

-- How did the run with most records end?
select point_no, bar_open_at, equity_usd, position_qty, bar_close_px, drawdown_usd
from marts.fct_equity
where (bot, run_id) = (select (bot, run_id) from marts.fct_equity group by bot, run_id order by count(*) desc, run_id limit 1)
order by point_no desc
limit 10;
