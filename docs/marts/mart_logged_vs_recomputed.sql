-- Which logged figures are right, which wrong, which missing?
select stream, metric, count(logged_value) as logged_count, count(*) filter (where is_agreeing) as agreeing_count,
    count(*) filter (where not is_agreeing) as differing_count, known_bug
from marts.mart_logged_vs_recomputed
group by all
order by differing_count desc, stream, metric;

-- How far is the logged drawdown from that of the equity curve?
select bot, emitted_at, logged_value, round(recomputed_value, 5) as recomputed_value, bug_description
from marts.mart_logged_vs_recomputed
where metric = 'max_drawdown_share'
order by recomputed_value, bot, emitted_at;

-- What would the gates of the scorecard have said with figures that are right?
select metric, logged_value, recomputed_value, recomputed_null_reason, count(*) as record_count
from marts.mart_logged_vs_recomputed
where stream = 'kpi_scorecard' and unit = 'flag'
group by all
order by all;
