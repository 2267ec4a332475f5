{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id"}},
) }}
-- Decisions that a process took and of which neither end of the burst landed. A bot decides one bar after the other for as long as
-- its process lives, and counts them: its own count says how many it took before a decision that landed. Where the count is not
-- known, every bar between two decisions is taken to have been decided. Bars that a process skipped are not in its count, so not
-- here either; nor is what came after the last record of a process: nobody knows when it ended.
with decisions as (
    select
        decision_id, run_id, bot, symbol, bar_open_at, bar_close_at, bar_counter as landed_before, first_seen_at, last_seen_at,
        cast(epoch({{ bar_length('bot') }}) as bigint) as bar_s
    from {{ ref('int_decisions') }}
    where {{ in_runs(bars='bar_open_at') }}
),

spans as (select run_id, last_emitted_at from {{ ref('int_run_spans') }} where {{ in_runs() }}),

logged as (
    {%- for stream in ['feature_log', 'calibration', 'order_intent'] %}
    select decision_id, bar_counter
    from {{ ref('stg_' ~ stream) }}
    where {{ in_runs(bars='bar_open_at') }} and decision_id is not null
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

-- no single record is believed: two of the three must say the same
counts as (
    select decision_id, bar_counter as logged_counter
    from logged
    where bar_counter >= 0
    group by decision_id, bar_counter
    having count(*) >= 2
),

counted as (
    select
        decisions.*,
        -- a count by which the process had started before the calendar begins is none
        case
            when logged_counter <= (epoch(first_seen_at) - epoch(timestamptz '{{ var('calendar_from') }} 00:00:00+05:30')) / bar_s
                then logged_counter
        end as logged_counter
    from decisions
    left join counts on decisions.decision_id = counts.decision_id
),

neighbours as (
    select
        *,
        lag(logged_counter) over in_turn as previous_counter,
        lag(bar_open_at) over in_turn as previous_bar_open_at,
        lag(last_seen_at) over in_turn as previous_seen_at,
        lead(bar_open_at) over in_turn is null as is_last
    from counted
    window in_turn as (partition by run_id, bot, symbol order by landed_before)
),

-- By the clock of the bars, but never more than the clock of the process has room for: one broken instant must not make years of
-- bars. The first bar of a process may be decided late and the next one in time, so its clock may show up to two bars too few.
measured as (
    select
        neighbours.*,
        cast(floor(least(
            epoch(bar_open_at) - epoch(previous_bar_open_at),
            epoch(first_seen_at) - epoch(previous_seen_at) + 2 * bar_s
        ) / bar_s) as bigint) - 1 as bars_between,
        cast(floor(least(
            epoch(last_emitted_at) - {{ var('decision_overdue_seconds') }} - epoch(bar_close_at),
            epoch(last_emitted_at) - epoch(last_seen_at) + 2 * bar_s
        ) / bar_s) as bigint) as bars_after,
        -- the process is as old as the youngest of the bars that its bots began with
        max(case when previous_bar_open_at is null then bar_close_at - to_seconds(logged_counter * bar_s) end) over (
            partition by neighbours.run_id
        ) as started_at
    from neighbours
    inner join spans on neighbours.run_id = spans.run_id
),

gaps as (
    select
        run_id, bot, symbol, bar_s, started_at, landed_before,
        'bar_counter' as evidence,
        bar_open_at - to_seconds(logged_counter * bar_s) as first_lost_bar_at,
        logged_counter as lost_count
    from measured
    where previous_bar_open_at is null
    union all
    -- where some bars of a gap were skipped, those after the decision before it are taken for the decided ones
    select
        run_id, bot, symbol, bar_s, started_at, landed_before,
        case when logged_counter is null or previous_counter is null then 'next_decision' else 'bar_counter' end as evidence,
        previous_bar_open_at + to_seconds(bar_s) as first_lost_bar_at,
        least(bars_between, coalesce(logged_counter - previous_counter - 1, bars_between)) as lost_count
    from measured
    where previous_bar_open_at is not null
    union all
    -- another bot of the process wrote on
    select
        run_id, bot, symbol, bar_s, started_at, landed_before + 1 as landed_before,
        'run_went_on' as evidence,
        bar_close_at as first_lost_bar_at,
        bars_after as lost_count
    from measured
    where is_last
),

lost as (
    select
        run_id, bot, symbol, bar_s, started_at, evidence,
        first_lost_bar_at + to_seconds(bar_no * bar_s) as bar_open_at,
        landed_before + row_number() over (
            partition by run_id, bot, symbol order by landed_before, bar_no
        ) - 1 as bar_counter
    from gaps
    cross join lateral unnest(range(greatest(lost_count, 0))) as series (bar_no)
)

select
    run_id,
    bot,
    symbol,
    bar_open_at,
    bar_counter,
    -- a process decides its first bar when it starts, and each other one as it closes
    case
        when bar_counter = 0 then greatest(bar_open_at + to_seconds(bar_s), started_at)
        else bar_open_at + to_seconds(bar_s)
    end as due_at,
    evidence
from lost
order by due_at
