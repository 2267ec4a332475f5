{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'run_days', 'column': "session_start_at"}},
) }}
-- Blocked decisions of each session hour by primary reason, one per bar; and the reading of the audit's own script, which
-- takes the first flag that is true (a passed guard) of every HOLD intent, replicas counted.
with decisions as (select * from {{ ref('fct_decisions') }} where {{ in_part('decided_at', 'run_days') }})

select
    'primary' as reading,
    bot,
    {{ hour_ist('decided_at') }} as session_start_at,
    coalesce(veto_reason_primary, 'UNKNOWN') as reason,
    count(*) as rejection_count
from decisions
where is_canonical and is_blocked
group by all
union all
select 'seed', bot, {{ hour_ist('decided_at') }}, coalesce(seed_veto_reason, 'UNKNOWN'), count(*)
from decisions
where intent_side = 'HOLD'
group by all
order by session_start_at
