-- Which trades count in statistics?
select mode, status, is_in_statistics, count(*) as trade_count, sum(pnl_usd) as pnl_usd
from marts.trades
group by all
order by mode, status, is_in_statistics;

-- Which closed trades of a bot made more than 20 bps?
select ts_open, ts_close, side, size_usd, return_bps, exit_reason
from marts.trades
where mode = '5m' and return_bps > 20 and is_in_statistics
order by return_bps desc, trade_id
limit 10;

-- What do trades cost, by how they ended?
select exit_reason, count(*) as trade_count, sum(fee_entry_usd + fee_exit_usd) as fees_usd, round(avg(slippage_bps), 3) as slippage_bps
from marts.trades
group by all
order by exit_reason;
