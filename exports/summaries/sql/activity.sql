-- What happened, in order.
select activity_id, happened_at, kind, priority, subject, message, source_model, event_key, is_synthetic
from marts.fct_activity
where date_ist >= $first and date_ist < $end
order by happened_at, activity_id
