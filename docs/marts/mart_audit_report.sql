-- What are the key metrics of the whole log?
select item, round(value, 4) as value, value_text, unit, numerator, denominator
from marts.mart_audit_report
where period = 'all' and section = 'key_metrics'
order by item_no;

-- Which guard flags are true how often, and what really blocked?
select section, item, round(value, 4) as share, numerator, denominator
from marts.mart_audit_report
where period = 'all' and section in ('guard_flags', 'true_causes')
order by section_no, item_no;

-- What is the rejection rate of any period, added up from its days?
select min(from_date_ist) as from_date_ist, max(to_date_ist) as to_date_ist, sum(numerator) as blocked_count, sum(denominator) as decision_count,
    round(sum(numerator) / sum(denominator), 4) as rejection_rate
from marts.mart_audit_report
where period = 'day' and item = 'rejection_rate' and from_date_ist between date '2025-11-22' and date '2025-11-23';
