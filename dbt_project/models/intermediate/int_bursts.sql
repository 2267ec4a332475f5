{{ config(materialized='incremental', incremental_strategy='part', on_schema_change='fail', meta={'part': {'kind': 'days', 'column': 'first_seen_at'}}) }}
-- A burst is everything one bot writes for one bar: nothing else of the same run comes in between, so its two ends
-- (ensemble_log, pnl_equity_log) place every other record of the run. Both ends name bot, run and bar.
with ensemble as (
    select
        record ->> '$.run_id' as run_id,
        files.path_bot as bot,
        record ->> '$.asset' as symbol,
        {{ event_id_instant("record ->> '$.event_id'") }} as bar_open_at,
        try_cast(record ->> '$.pred_stack_bps' as double) as pred_stack_bps,
        raw.emitted_at,
        {{ row_key('raw') }} as row_key
    from {{ source('raw', 'ensemble_log') }} as raw
    inner join {{ source('raw', 'files') }} as files on raw.source_file = files.source_file
    where {{ near_part('raw.emitted_at', kind='context_days') }}
),

equity as (
    select
        record ->> '$.run_id' as run_id,
        files.path_bot as bot,
        record ->> '$.asset' as symbol,
        {{ event_id_instant("record ->> '$.event_id'") }} as bar_open_at,
        raw.emitted_at,
        {{ row_key('raw') }} as row_key
    from {{ source('raw', 'pnl_equity_log') }} as raw
    inner join {{ source('raw', 'files') }} as files on raw.source_file = files.source_file
    where {{ near_part('raw.emitted_at', kind='context_days') }}
),

-- a run decides a bar once; should it ever do so again, the repetitions pair in order
ensemble_numbered as (
    select *, row_number() over (partition by run_id, bot, symbol, bar_open_at order by emitted_at, row_key) as bar_occurrence
    from ensemble
    where bar_open_at is not null
),

equity_numbered as (
    select *, row_number() over (partition by run_id, bot, symbol, bar_open_at order by emitted_at, row_key) as bar_occurrence
    from equity
    where bar_open_at is not null
),

-- by key and not by position: a record lost to damage must not shift the pairs after it
paired as (
    select
        run_id, bot, symbol, bar_open_at, bar_occurrence,
        ensemble_numbered.emitted_at as burst_started_at,
        equity_numbered.emitted_at as burst_ended_at,
        coalesce(ensemble_numbered.emitted_at, equity_numbered.emitted_at) as first_seen_at,
        coalesce(equity_numbered.emitted_at, ensemble_numbered.emitted_at) as last_seen_at,
        ensemble_numbered.pred_stack_bps,
        ensemble_numbered.row_key as ensemble_row_key,
        equity_numbered.row_key as equity_row_key
    from ensemble_numbered
    full outer join equity_numbered using (run_id, bot, symbol, bar_open_at, bar_occurrence)
),

neighbours as (
    select
        *,
        lag(last_seen_at) over run_order as previous_seen_at,
        lead(first_seen_at) over run_order as next_seen_at,
        lead(first_seen_at) over bar_order as repeated_at,
        row_number() over bot_order - 1 as bar_counter
    from paired
    window
        run_order as (partition by run_id order by first_seen_at, last_seen_at, bot, symbol, bar_open_at, bar_occurrence),
        bot_order as (partition by run_id, bot, symbol order by first_seen_at, last_seen_at, bar_open_at, bar_occurrence),
        bar_order as (partition by run_id, bot, symbol, bar_open_at order by bar_occurrence)
)

select
    concat_ws('|', run_id, bot, symbol, cast(epoch_ms(bar_open_at) as varchar), cast(bar_occurrence as varchar)) as decision_id,
    run_id,
    bot,
    symbol,
    bar_open_at,
    bar_open_at + {{ bar_length('bot') }} as bar_close_at,
    bar_occurrence,
    bar_counter,
    burst_started_at,
    burst_ended_at,
    first_seen_at,
    last_seen_at,
    -- a lost end is replaced by the neighbouring burst of the run, but never further away than a burst can be long
    coalesce(
        burst_started_at,
        greatest(previous_seen_at, burst_ended_at - to_seconds({{ var('burst_open_end_seconds') }})),
        burst_ended_at - to_seconds({{ var('burst_open_end_seconds') }})
    ) as window_started_at,
    coalesce(
        burst_ended_at,
        least(next_seen_at, burst_started_at + to_seconds({{ var('burst_open_end_seconds') }})),
        burst_started_at + to_seconds({{ var('burst_open_end_seconds') }})
    ) as window_ended_at,
    -- records of this run, bot and bar from here on belong to this repetition of the bar
    case when bar_occurrence = 1 then timestamptz '-infinity' else first_seen_at end as owns_from,
    coalesce(repeated_at, timestamptz 'infinity') as owns_until,
    pred_stack_bps,
    ensemble_row_key,
    equity_row_key
from neighbours
where {{ in_part('first_seen_at') }}
order by first_seen_at
