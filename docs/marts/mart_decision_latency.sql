-- What should be looked at first?
select bot, code_version, step, rule_id, recommendation
from marts.mart_decision_latency
where recommendation is not null and population = 'all_replicas'
order by bot, code_version, step;

-- How long does a whole decision take?
select bot, code_version, trace_count, mean_ms, p50_ms, p95_ms, p99_ms, percentile_null_reason
from marts.mart_decision_latency
where step = 'total' and population = 'all_replicas'
order by bot, code_version;

-- Which steps take its time?
select bot, step, round(time_share, 3) as time_share, bottleneck_count
from marts.mart_decision_latency
where phase = 'decision' and step <> 'total' and population = 'canonical'
order by bot, time_share desc, step;
