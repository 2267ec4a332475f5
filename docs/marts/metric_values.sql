-- Which metrics of a day were off target or critical?
select day_ist, metric_id, dimension_value, value, target_min, target_max, status, n
from marts.metric_values
where grain = 'day' and dimension in ('all', 'bot') and status in ('warning', 'critical')
order by day_ist desc, status, metric_id, dimension_value
limit 15;

-- What is the win rate made of, by bot and week?
select day_ist as week_start, dimension_value as bot, value, numerator as won, denominator as judged, n, owner_model
from marts.metric_values
where metric_id = 'win_rate' and grain = 'week' and dimension = 'bot' and source_system = 'metastacker'
order by week_start, bot;

-- Where is a value missing, and why?
select metric_id, value_null_reason, count(*) as value_count
from marts.metric_values
where value is null
group by metric_id, value_null_reason
order by metric_id, value_null_reason;
