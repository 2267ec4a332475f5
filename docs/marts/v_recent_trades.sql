-- What were the last five trades?
select ts_close, mode, side, pnl_usd, exit_reason
from marts.v_recent_trades
order by ts_close desc, trade_id
limit 5;

-- How did the last hundred end?
select exit_reason, count(*) as trade_count, sum(pnl_usd) as pnl_usd
from marts.v_recent_trades
group by all
order by exit_reason;

-- How confident was the model in them?
select mode, count(*) as trade_count, round(min(confidence), 4) as lowest, round(max(confidence), 4) as highest
from marts.v_recent_trades
group by all
order by mode;
