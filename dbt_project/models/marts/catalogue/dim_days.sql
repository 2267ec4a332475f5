-- A calendar, so that metrics of the semantic layer can be given for days without events.
with days as (select unnest(range(date '{{ var('calendar_from') }}', date '{{ var('calendar_until') }}', interval 1 day)) as instant)

select
    cast(instant as date) as date_day,
    cast(date_trunc('week', instant) as date) as week_start,
    cast(date_trunc('month', instant) as date) as month_start,
    isodow(instant) as weekday_no
from days
