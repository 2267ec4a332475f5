{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'since': 'bucket_start_at'}},
) }}
-- The books' state every five minutes with what else tells how fresh their sources are. Nothing is carried into another run.
with books as (select * from {{ ref('int_book_health') }} where {{ in_runs(since='bucket_start_at') }}),

cohort_fills as (select * from {{ ref('stg_hyperliquid_fills') }} where {{ in_runs(since='emitted_at') }} and run_id is not null),

healths as (select * from {{ ref('stg_health') }} where {{ in_runs(since='emitted_at') }} and run_id is not null),

cohort_buckets as (
    select bot, run_id, symbol, {{ five_minutes('emitted_at') }} as bucket_start_at, max(filled_at) as cohort_filled_at
    from cohort_fills
    group by all
),

health_buckets as (
    select bot, run_id, symbol, {{ five_minutes('emitted_at') }} as bucket_start_at, bool_or(is_funding_stale) as is_funding_stale
    from healths
    group by all
)

select
    books.*,
    books.bucket_start_at + interval 5 minutes as bucket_end_at,
    max(cohort_buckets.cohort_filled_at) over so_far as cohort_filled_at,
    health_buckets.is_funding_stale
from books
left join cohort_buckets using (bot, run_id, symbol, bucket_start_at)
left join health_buckets using (bot, run_id, symbol, bucket_start_at)
window so_far as (
    partition by books.bot, books.run_id, books.symbol order by books.bucket_start_at rows between unbounded preceding and current row
)
order by bucket_start_at
