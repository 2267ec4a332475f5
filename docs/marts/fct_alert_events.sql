-- What would have gone out, by rule and level?
select rule_id, level, count(*) as alert_count, sum(suppressed_count) as kept_quiet, min(fired_at) as first_fired_at
from marts.fct_alert_events
where outcome = 'sent'
group by rule_id, level
order by alert_count desc, rule_id;

-- Which breaches stood long enough to be escalated?
select fired_at, rule_id, dimension_value, base_level, level, breach_started_at, value, threshold
from marts.fct_alert_events
where is_escalated
order by fired_at, rule_id, dimension_value
limit 10;

-- How did the last alerts read?
select fired_at, level, message
from marts.fct_alert_events
order by fired_at desc, rule_id, dimension_value
limit 10;
