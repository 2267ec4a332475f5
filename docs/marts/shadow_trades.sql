-- Which trades were blocked last, and why?
select ts, mode, side, blocked_by, block_reason
from marts.shadow_trades
where is_in_statistics
order by ts desc, shadow_id
limit 3;

-- How long are they followed, and with what result?
select mode, verdict, count(*) as shadow_count, sum(cf_pnl_bps) as pnl_bps
from marts.shadow_trades
where is_in_statistics
group by all
order by mode, verdict;

-- Which side was held back, and is it an assumption?
select side, side_method, count(*) as shadow_count
from marts.shadow_trades
where is_in_statistics
group by all
order by side, side_method;
