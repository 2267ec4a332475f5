-- A run is offline when each of its bars was decided before the bar was over: a one-shot start on unfinished bars.
with bursts as (select * from {{ ref('int_bursts') }})

select
    run_id,
    case when bool_and(first_seen_at < bar_close_at) then 'offline_smoke' else 'live_paper' end as run_kind,
    min(first_seen_at) as first_decision_at,
    max(last_seen_at) as last_decision_at,
    count(*) as decision_count
from bursts
group by run_id
