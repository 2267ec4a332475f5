-- What happened last?
select happened_at, kind, subject, message
from marts.fct_activity
order by happened_at desc, kind, event_key
limit 15;

-- What happened that mattered, day by day?
select date_ist, kind, count(*) as event_count
from marts.fct_activity
where priority <> 'debug'
group by date_ist, kind
order by date_ist, kind;

-- What came right before the last critical event?
select happened_at, kind, message
from marts.fct_activity
where happened_at <= (select max(happened_at) from marts.fct_activity where priority = 'critical')
order by happened_at desc, kind, event_key
limit 5;
