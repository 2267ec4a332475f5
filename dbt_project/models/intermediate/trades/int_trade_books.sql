{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': 'run_id'}},
) }}
-- Books with fills, and whether their run is over: then what it still holds is abandoned.
with fills as (select * from {{ ref('int_fills') }} where {{ in_runs(since='emitted_at') }}),

runs as (select * from {{ ref('int_run_spans') }}),

kinds as (select run_id, run_kind from {{ ref('int_runs') }}),

newest as (select max(last_emitted_at) as newest_emitted_at from runs),

-- a one-shot start is over with its only bar
ended as (
    select
        runs.run_id,
        runs.last_emitted_at as run_last_emitted_at,
        coalesce(kinds.run_kind = 'offline_smoke', false)
        or runs.last_emitted_at < newest.newest_emitted_at - to_seconds({{ var('run_end_after_seconds') }}) as has_run_ended
    from runs
    cross join newest
    left join kinds using (run_id)
),

books as (
    select book_id, min(bot) as bot, min(run_id) as run_id, min(symbol) as symbol, count(*) as fill_count
    from fills
    group by book_id
)

select
    books.book_id,
    books.bot,
    books.run_id,
    books.symbol,
    books.fill_count,
    ended.run_last_emitted_at,
    coalesce(ended.has_run_ended, true) as has_run_ended
from books
left join ended using (run_id)
