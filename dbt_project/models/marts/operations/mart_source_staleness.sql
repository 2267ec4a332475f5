{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'run_days', 'column': "hour_start_at"}},
) }}
-- How old what each source had last said was at the end of every five minutes, by hour. Nothing is carried into another run.
with carried as (select * from {{ ref('int_book_sources') }} where {{ in_part('bucket_start_at', 'run_days') }}),

-- one-shot runs on unfinished bars speak only where no live run does
speaking as (
    select *
    from carried
    qualify run_kind = 'live_paper' or not bool_or(run_kind = 'live_paper') over (partition by bot, bucket_start_at)
),

sourced as (
    select
        bot, run_id, bucket_start_at, bucket_end_at, is_synthetic,
        unnest([
            {'source': 'market_bars', 'updated_at': last_bar_close_at, 'reconnect_count': null, 'gap_max_ms': bar_gap_max_ms_1h, 'is_reported_stale': null},
            {'source': 'funding', 'updated_at': funding_updated_at, 'reconnect_count': null, 'gap_max_ms': null, 'is_reported_stale': is_funding_stale},
            {'source': 'websocket', 'updated_at': null, 'reconnect_count': reconnect_count_1h, 'gap_max_ms': null, 'is_reported_stale': null},
            {'source': 'cohort_fills', 'updated_at': cohort_filled_at, 'reconnect_count': null, 'gap_max_ms': null, 'is_reported_stale': null}
        ], recursive := true)
    from speaking
),

-- the worst of the books that lived
worst as (
    select
        bot, source, bucket_start_at, bucket_end_at,
        min(updated_at) as updated_at,
        max(epoch_ms(bucket_end_at) - epoch_ms(updated_at)) as age_ms,
        max(reconnect_count) as reconnect_count,
        max(gap_max_ms) as gap_max_ms,
        bool_or(is_reported_stale) as is_reported_stale,
        bool_or(is_synthetic) as is_synthetic
    from sourced
    group by bot, source, bucket_start_at, bucket_end_at
),

hours as (
    select
        bot,
        source,
        {{ hour_ist('bucket_start_at') }} as hour_start_at,
        count(*) as alive_bucket_count,
        max(bucket_end_at) as as_of_at,
        max(age_ms) as max_age_ms,
        max(reconnect_count) as ws_reconnect_count_1h_max,
        max(gap_max_ms) as gap_max_ms,
        bool_or(is_reported_stale) as is_reported_stale,
        bool_or(is_synthetic) as is_synthetic
    from worst
    group by all
)

select
    hours.bot,
    hours.source,
    hour_start_at,
    hour_start_at + interval 1 hour as hour_end_at,
    {{ date_ist('hour_start_at') }} as date_ist,
    alive_bucket_count,
    hours.as_of_at,
    worst.updated_at as last_update_at,
    worst.age_ms / 1000.0 as staleness_s,
    hours.max_age_ms / 1000.0 as max_staleness_s,
    case when hours.source = 'market_bars' then epoch({{ bar_length('hours.bot') }}) end as expected_interval_s,
    case when hours.source = 'market_bars' then {{ ratio('worst.age_ms', "1000 * epoch(" ~ bar_length('hours.bot') ~ ")") }} end as staleness_bars,
    case
        when hours.source = 'websocket' then 'not_logged'
        when worst.updated_at is null then 'nothing_seen_yet'
    end as staleness_null_reason,
    hours.gap_max_ms as gap_max_ms_1h,
    cast(hours.ws_reconnect_count_1h_max as bigint) as ws_reconnect_count_1h_max,
    hours.is_reported_stale,
    hours.is_synthetic
from hours
inner join worst on hours.bot = worst.bot and hours.source = worst.source and hours.as_of_at = worst.bucket_end_at
order by hour_start_at
