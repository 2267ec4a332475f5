-- In which hours was the market data oldest, counted in bars (above 2 is more than the usual delay)?
select bot, hour_start_at, last_update_at, round(max_staleness_s / expected_interval_s, 2) as worst_bars, gap_max_ms_1h
from marts.mart_source_staleness
where source = 'market_bars'
order by worst_bars desc, bot, hour_start_at;

-- How stale does each source get, in the middle and at worst?
select source, bot, count(*) as hour_count, round(median(staleness_s)) as median_s, round(max(max_staleness_s)) as worst_s, min(staleness_null_reason) as null_reason
from marts.mart_source_staleness
group by source, bot
order by source, bot;

-- Does the bot call the funding stale when it is?
select bot, is_reported_stale, count(*) as hour_count, round(max(max_staleness_s)) as worst_s
from marts.mart_source_staleness
where source = 'funding'
group by bot, is_reported_stale
order by bot, is_reported_stale;
