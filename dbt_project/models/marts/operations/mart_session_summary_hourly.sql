{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'run_days', 'column': "session_start_at"}},
) }}
with hours as (select * from {{ ref('int_session_hours') }} where {{ in_part('session_start_at', 'run_days') }}),

rejections as (select * from {{ ref('int_session_rejections') }} where {{ in_part('session_start_at', 'run_days') }}),

breakdowns as (
    select
        bot,
        session_start_at,
        to_json(map_from_entries(
            list({'key': reason, 'value': rejection_count} order by reason) filter (where reading = 'primary')
        )) as rejection_breakdown,
        to_json(map_from_entries(
            list({'key': reason, 'value': rejection_count} order by reason) filter (where reading = 'seed')
        )) as seed_rejection_breakdown
    from rejections
    group by bot, session_start_at
),

joined as (
    select hours.*, rejection_breakdown, seed_rejection_breakdown
    from hours
    left join breakdowns on hours.bot = breakdowns.bot and hours.session_start_at = breakdowns.session_start_at
)

select
    {{ session_columns('interval 1 hour', '%Y%m%d_%H') }}
from joined
order by session_start_at
