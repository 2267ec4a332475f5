{{ config(materialized='incremental', incremental_strategy='part', on_schema_change='fail', meta={'part': {'kind': 'days', 'column': 'emitted_at'}}) }}
-- Bot of the mixed streams whose records name their run: two lie inside a burst, two follow its end.
with bursts as (select * from {{ ref('int_bursts') }} where {{ near_part('first_seen_at', kind='context_days') }}),

inside_records as (
    {%- for stream in ['calibration_log', 'sizing_risk_log'] %}
    select
        '{{ stream }}' as stream,
        {{ row_key('raw') }} as row_key,
        record ->> '$.run_id' as run_id,
        record ->> '$.asset' as symbol,
        raw.emitted_at
    from {{ source('raw', stream) }} as raw
    where {{ near_part('raw.emitted_at') }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

after_records as (
    {%- for stream in ['kpi_scorecard', 'market_ingest_log'] %}
    select
        '{{ stream }}' as stream,
        {{ row_key('raw') }} as row_key,
        record ->> '$.run_id' as run_id,
        record ->> '$.asset' as symbol,
        raw.emitted_at
    from {{ source('raw', stream) }} as raw
    where {{ near_part('raw.emitted_at') }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

-- one burst per start (and per end): an ASOF join picks at random among equal times
burst_starts as (
    select * from bursts
    qualify row_number() over (partition by run_id, symbol, window_started_at order by window_ended_at desc, decision_id) = 1
),

burst_ends as (
    select * from bursts
    qualify row_number() over (partition by run_id, symbol, last_seen_at order by first_seen_at desc, decision_id) = 1
),

inside_nearest as (
    select
        records.*,
        bursts.decision_id as nearest_decision_id,
        records.emitted_at <= bursts.window_ended_at as is_inside,
        bursts.burst_started_at is null or bursts.burst_ended_at is null as is_open,
        -- where one end was lost, the record next to the end that is known is the burst's own
        row_number() over (
            partition by records.stream, bursts.decision_id, records.emitted_at <= bursts.window_ended_at
            order by
                abs(epoch_us(records.emitted_at) - epoch_us(coalesce(bursts.burst_started_at, bursts.burst_ended_at))),
                records.emitted_at,
                records.row_key
        ) as turn
    from inside_records as records
    asof left join burst_starts as bursts
        on records.run_id = bursts.run_id
        and records.symbol = bursts.symbol
        and records.emitted_at >= bursts.window_started_at
),

-- a burst has one record of each of these streams: a second one belongs to a burst that was lost
inside_matches as (
    select
        stream,
        row_key,
        emitted_at,
        case when is_inside and turn = 1 then nearest_decision_id end as decision_id,
        case when is_open then 'burst_open_window' else 'burst_window' end as bot_method,
        case
            when nearest_decision_id is null then 'no burst of this run has begun'
            when not is_inside then 'outside every burst of its run'
            when turn > 1 then 'the burst around it has such a record already'
        end as unattributed_reason
    from inside_nearest
),

after_nearest as (
    select
        records.*,
        bursts.decision_id as nearest_decision_id,
        records.emitted_at - bursts.last_seen_at <= to_seconds({{ var('adjacent_seconds') }}) as is_adjacent,
        row_number() over (partition by records.stream, bursts.decision_id order by records.emitted_at, records.row_key) as turn
    from after_records as records
    asof left join burst_ends as bursts
        on records.run_id = bursts.run_id
        and records.symbol = bursts.symbol
        and records.emitted_at >= bursts.last_seen_at
),

after_matches as (
    select
        stream,
        row_key,
        emitted_at,
        case when is_adjacent and turn = 1 then nearest_decision_id end as decision_id,
        'burst_adjacent' as bot_method,
        case
            when nearest_decision_id is null then 'no burst of this run has ended'
            when not is_adjacent then 'too long after the last burst of its run'
            when turn > 1 then 'the last burst of its run has such a record already'
        end as unattributed_reason
    from after_nearest
),

matches as (
    select * from inside_matches
    union all
    select * from after_matches
)

select
    stream,
    row_key,
    emitted_at,
    decision_id,
    case when decision_id is null then 'unattributed' else bot_method end as bot_method,
    unattributed_reason
from matches
where {{ in_part('emitted_at') }}
order by emitted_at
