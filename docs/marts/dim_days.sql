-- On which days of the first and last decision was nothing decided?
select date_day
from marts.dim_days
where date_day between (select min(decided_date_ist) from marts.fct_decisions) and (select max(decided_date_ist) from marts.fct_decisions)
    and date_day not in (select decided_date_ist from marts.fct_decisions where decided_date_ist is not null)
order by date_day;

-- How many decisions were there per week, weeks without any included?
select week_start, count(decisions.decision_id) as decision_count
from marts.dim_days
left join marts.fct_decisions as decisions on dim_days.date_day = decisions.decided_date_ist
where date_day between (select min(decided_date_ist) from marts.fct_decisions) and (select max(decided_date_ist) from marts.fct_decisions)
group by week_start
order by week_start;

-- Do weekends differ?
select weekday_no >= 6 as is_weekend, count(*) as decision_count, avg(cast(is_blocked as integer)) as blocked_share
from marts.fct_decisions
inner join marts.dim_days on decided_date_ist = date_day
where is_canonical
group by is_weekend
order by is_weekend;
