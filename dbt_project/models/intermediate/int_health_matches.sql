{{ config(materialized='incremental', incremental_strategy='part', on_schema_change='fail', meta={'part': {'kind': 'days', 'column': 'emitted_at'}}) }}
-- health names bot and bar but no run: it follows the signals record of its decision.
with decision_ends as (
    select
        decision_id as row_key,
        bot,
        symbol,
        bar_open_at,
        greatest(last_seen_at, signal_emitted_at) as emitted_at
    from {{ ref('int_decisions') }}
    where {{ near_part('last_seen_at') }}
),

records as (
    select
        {{ row_key('raw') }} as row_key,
        files.path_bot as bot,
        record ->> '$.symbol' as symbol,
        {{ from_epoch_ms("try_cast(record ->> '$.ts' as bigint)") }} as bar_open_at,
        raw.emitted_at
    from {{ source('raw', 'health') }} as raw
    inner join {{ source('raw', 'files') }} as files on raw.source_file = files.source_file
    where {{ near_part('raw.emitted_at') }}
),

pairs as (
    {{ pair_by_emission('decision_ends', 'records', ['bot', 'symbol', 'bar_open_at']) }}
),

matches as (
    select second_key as row_key, first_key as decision_id
    from pairs
    where lag_time <= to_seconds({{ var('burst_tail_seconds') }})
)

select
    records.row_key,
    matches.decision_id,
    records.emitted_at,
    case when matches.decision_id is null then 'unattributed' else 'signal_lag' end as run_method,
    case when matches.decision_id is null then 'no decision of this bot and bar ended just before' end as unattributed_reason
from records
left join matches using (row_key)
where {{ in_part('records.emitted_at') }}
order by emitted_at
