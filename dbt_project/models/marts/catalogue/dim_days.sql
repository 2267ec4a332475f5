-- A calendar, so that metrics of the semantic layer can be given for days without events.
with days as (select unnest(range(date '2025-01-01', date '2035-01-01', interval 1 day)) as instant)

select
    cast(instant as date) as date_day,
    cast(date_trunc('week', instant) as date) as week_start,
    cast(date_trunc('month', instant) as date) as month_start,
    isodow(instant) as weekday_no
from days
