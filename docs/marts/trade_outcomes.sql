-- How far against and for a trade does the price go?
select outcome, count(*) as trade_count, round(median(max_drawdown_bps), 1) as drawdown_bps, round(median(max_runup_bps), 1) as runup_bps
from marts.trade_outcomes
group by all
order by outcome;

-- How many end by stop and by target, and after how long?
select hit_tp, hit_sl, count(*) as trade_count, round(median(actual_duration_sec), 0) as duration_sec
from marts.trade_outcomes
group by all
order by hit_tp, hit_sl;

-- What do fees take from the result of prices?
select outcome, round(avg(actual_return_bps), 2) as price_bps, round(avg(total_cost_bps), 2) as fee_bps, round(avg(net_return_bps), 2) as net_bps
from marts.trade_outcomes
group by all
order by outcome;
