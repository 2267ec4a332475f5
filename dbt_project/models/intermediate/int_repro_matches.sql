{{ config(materialized='incremental', incremental_strategy='part', on_schema_change='fail', meta={'part': {'kind': 'days', 'column': 'emitted_at'}}) }}
-- repro names neither bot nor run: market_ingest_log of the same burst follows it, health of the same burst precedes it.
with decisions as (select * from {{ ref('int_decisions') }} where {{ near_part('last_seen_at', 2) }}),

records as (
    select
        {{ row_key('raw') }} as row_key,
        record ->> '$.symbol' as symbol,
        {{ from_epoch_ms("try_cast(record ->> '$.ts' as bigint)") }} as bar_open_at,
        raw.emitted_at
    from {{ source('raw', 'repro') }} as raw
    where {{ near_part('raw.emitted_at') }}
),

markets as (
    select matches.decision_id as row_key, decisions.symbol, decisions.bar_open_at, raw.emitted_at
    from {{ ref('int_run_record_matches') }} as matches
    inner join decisions on matches.decision_id = decisions.decision_id
    inner join {{ source('raw', 'market_ingest_log') }} as raw on matches.row_key = {{ row_key('raw') }}
    where matches.stream = 'market_ingest_log' and {{ near_part('matches.emitted_at') }} and {{ near_part('raw.emitted_at') }}
),

market_pairs as (
    {{ pair_by_emission('records', 'markets', ['symbol', 'bar_open_at']) }}
),

market_matches as (
    select first_key as row_key, second_key as decision_id, 'market_record_follows' as method
    from market_pairs
    where lag_time <= to_seconds({{ var('adjacent_seconds') }})
),

open_records as (
    select records.* from records anti join market_matches using (row_key)
),

open_healths as (
    select matches.decision_id as row_key, decisions.symbol, decisions.bar_open_at, matches.emitted_at
    from {{ ref('int_health_matches') }} as matches
    inner join decisions on matches.decision_id = decisions.decision_id
    anti join market_matches on matches.decision_id = market_matches.decision_id
),

health_pairs as (
    {{ pair_by_emission('open_healths', 'open_records', ['symbol', 'bar_open_at']) }}
),

matches as (
    select * from market_matches
    union all
    select second_key, first_key, 'health_record_precedes'
    from health_pairs
    where lag_time <= to_seconds({{ var('adjacent_seconds') }})
)

select
    records.row_key,
    records.emitted_at,
    matches.decision_id,
    coalesce(matches.method, 'unattributed') as method,
    case when matches.decision_id is null then 'no burst of this bar was reporting health just then' end as unattributed_reason
from records
left join matches using (row_key)
where {{ in_part('records.emitted_at') }}
order by emitted_at
