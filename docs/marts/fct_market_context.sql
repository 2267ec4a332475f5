-- How volatile was the market when trades were blocked, and when they were not?
select decisions.is_blocked, count(*) as bars, median(context.trailing_volatility_bps) as median_volatility_bps
from marts.fct_market_context as context
inner join marts.fct_decisions as decisions using (decision_id)
where context.is_canonical and context.trailing_volatility_bps is not null
group by decisions.is_blocked
order by decisions.is_blocked;

-- How did the market stand at the last decisions?
select bar_open_at, bot, bar_close_px, bar_range_bps, trailing_volatility_bps, funding_rate, volatility_regime
from marts.fct_market_context
where is_canonical
order by bar_open_at desc, bot
limit 10;

-- What of the market is never known?
select reason.key as column_name, reason.value as reason, count(*) as decision_count
from (select unnest(map_entries(null_reasons)) as reason from marts.fct_market_context)
group by all
order by column_name, reason;
