select alert_id, fired_at, rule_id, signal, dimension, dimension_value, level, value, comparator, threshold, n, outcome, message
from marts.fct_alert_events
where date_ist >= $first and date_ist < $end
order by fired_at, alert_id
