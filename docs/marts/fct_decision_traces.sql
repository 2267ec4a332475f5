-- How long do decisions take?
select bot, count(total_ms) as trace_count, round(median(total_ms), 1) as median_ms, max(total_ms) as longest_ms
from marts.fct_decision_traces
where run_kind = 'live_paper'
group by all
order by bot;

-- Which step is the slowest, and how often?
select bot, slowest_step, count(*) as trace_count, round(median(slowest_ms), 1) as median_ms
from marts.fct_decision_traces
where total_ms is not null
group by all
order by bot, trace_count desc, slowest_step;

-- How old is a bar when the model speaks about it?
select bot, round(median(bar_close_to_score_ms) / 1000, 1) as median_s, round(max(bar_close_to_score_ms) / 1000, 1) as longest_s
from marts.fct_decision_traces
where run_kind = 'live_paper'
group by all
order by bot;
