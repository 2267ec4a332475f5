-- What should one know of the last days?
select day_ist, insight_no, severity, insight, recommendation
from marts.mart_daily_insights
order by day_ist desc, insight_no
limit 15;

-- Which findings come back?
select rule_id, severity, count(distinct day_ist) as day_count, min(insight) as for_example
from marts.mart_daily_insights
group by rule_id, severity
order by day_count desc, rule_id;

-- Which values does a finding rest on?
select day_ist, insight, unnest(metric_uris) as metric_uri
from marts.mart_daily_insights
where insight_no = 1
order by day_ist, metric_uri;
