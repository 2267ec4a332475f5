-- What did each run of bot 5m earn per day?
select left(run_id, 8) as run, date_ist, close_equity_usd, pnl_usd, fill_count, round(turnover_bps_day) as turnover_bps_day
from marts.mart_equity_daily
where bot = '5m'
order by date_ist, run
limit 10;

-- How much of their time were the bots in the market, and how exposed?
select bot, count(*) as day_count, round(avg(time_in_market_share), 3) as time_in_market_share, round(avg(exposure_share), 3) as exposure_share
from marts.mart_equity_daily
where run_kind = 'live_paper'
group by bot
order by bot;

-- On how many days are there too few bars for a Sharpe ratio?
select bot, sharpe_bar_null_reason, count(*) as day_count
from marts.mart_equity_daily
group by bot, sharpe_bar_null_reason
order by bot, day_count desc;
