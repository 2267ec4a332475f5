-- Where did the time of the slowest decision go?
select step_no, step, offset_ms, duration_ms, round(duration_share, 3) as share, is_bottleneck
from marts.fct_decision_trace_steps
where decision_id = (select decision_id from marts.fct_decision_traces where total_ms is not null order by total_ms desc, decision_id limit 1)
order by step_no;

-- Which steps are bottlenecks?
select bot, step, count(*) filter (where is_bottleneck) as bottleneck_count, count(*) as step_count
from marts.fct_decision_trace_steps
where phase = 'decision'
group by all
order by bot, bottleneck_count desc, step;

-- What does reporting cost on health bars?
select bot, step, count(*) as step_count, round(median(duration_ms), 2) as median_ms
from marts.fct_decision_trace_steps
where phase = 'reporting'
group by all
order by bot, step;
