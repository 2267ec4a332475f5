-- A run is one process of the bot; its spans come from every record that is known to be its own.
with runs as (select * from {{ ref('int_runs') }}),

decisions as (select * from {{ ref('int_decisions') }}),

repros as (select * from {{ ref('stg_repro') }}),

spans as (select * from {{ ref('int_run_spans') }}),

bots_of_run as (
    select
        run_id,
        list(bot order by bot) as bots,
        map_from_entries(list({'key': bot, 'value': bar_count} order by bot)) as bar_count_by_bot
    from (select run_id, bot, count(*) as bar_count from decisions group by run_id, bot) as bars
    group by run_id
),

symbols_of_run as (
    select run_id, list(distinct symbol order by symbol) as symbols from decisions group by run_id
),

commits as (
    select
        run_id,
        arg_min(git_sha, (emitted_at, source_file, line_no)) as git_sha,
        count(distinct git_sha) as git_sha_count
    from repros
    where run_id is not null
    group by run_id
),

-- runs alive together: of all starts up to this run's end, those whose end is not before this run's start
edges as (
    select run_id, first_emitted_at as edge_at, 1 as started, 0 as ended from spans
    union all
    select run_id, last_emitted_at as edge_at, 0 as started, 1 as ended from spans
),

counted as (
    select
        run_id,
        started,
        sum(started) over (order by edge_at range between unbounded preceding and current row) as started_until,
        sum(ended) over (order by edge_at range between unbounded preceding and current row)
        - sum(ended) over (partition by edge_at) as ended_before
    from edges
),

concurrency as (
    select
        run_id,
        cast(max(started_until) filter (started = 0) - max(ended_before) filter (started = 1) as bigint) as concurrent_run_count
    from counted
    group by run_id
)

select
    spans.run_id,
    runs.run_kind,
    case when runs.run_kind is null then 'no decision of this run was seen' end as run_kind_null_reason,
    coalesce(bots_of_run.bots, []) as bots,
    coalesce(symbols_of_run.symbols, []) as symbols,
    coalesce(runs.decision_count, 0) as decision_count,
    bots_of_run.bar_count_by_bot,
    spans.record_count,
    spans.first_emitted_at,
    spans.last_emitted_at,
    concurrency.concurrent_run_count,
    commits.git_sha,
    coalesce(commits.git_sha_count, 0) as git_sha_count,
    spans.is_synthetic
from spans
left join runs using (run_id)
left join bots_of_run using (run_id)
left join symbols_of_run using (run_id)
left join commits using (run_id)
left join concurrency using (run_id)
