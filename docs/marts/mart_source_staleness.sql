-- In which hours was the market data older than two bars?
select bot, hour_start_at, last_update_at, round(staleness_bars, 2) as staleness_bars, gap_max_ms_1h
from marts.mart_source_staleness
where source = 'market_bars' and max_staleness_s > 2 * expected_interval_s
order by bot, hour_start_at;

-- How stale does each source get, in the middle and at worst?
select source, bot, count(*) as hour_count, round(median(staleness_s)) as median_s, round(max(max_staleness_s)) as worst_s, min(staleness_null_reason) as null_reason
from marts.mart_source_staleness
group by source, bot
order by source, bot;

-- Did the bot itself ever call the funding stale?
select bot, hour_start_at, round(staleness_s) as staleness_s, is_reported_stale
from marts.mart_source_staleness
where source = 'funding' and is_reported_stale
order by bot, hour_start_at;
