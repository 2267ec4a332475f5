{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'record_days', 'column': "date_ist"}},
) }}
-- What each decision that landed should have left behind, by the order in which the bot writes, against what is there.
with lost as (
    select run_id, bot, symbol, bar_open_at, row_number() over (partition by run_id, bot, symbol order by bar_open_at) as lost_count
    from {{ ref('int_lost_decisions') }}
),

landed as (select * from {{ ref('int_decisions') }} where {{ in_part('last_seen_at', 'record_days') }}),

-- the process counted those that were lost too
decisions as (
    select
        landed.decision_id,
        landed.bot,
        landed.bar_counter + coalesce(lost.lost_count, 0) as bar_counter,
        {{ date_ist('landed.last_seen_at') }} as date_ist
    from landed
    asof left join lost
        on landed.run_id = lost.run_id
        and landed.bot = lost.bot
        and landed.symbol = lost.symbol
        and landed.bar_open_at > lost.bar_open_at
),

-- records of no decision are counted by bot and day
records as (
    select
        stream,
        decision_id,
        case when decision_id is null then bot end as bot,
        case when decision_id is null then {{ date_ist('recorded_at') }} end as date_ist,
        count(*) as record_count
    from {{ ref('int_stream_records') }}
    where
        {{ near_part('recorded_at', 2, 'record_days') }}
        -- only to read less: DuckDB skips parts of tables by their own columns, not by a clock that a view makes of two
        and (emitted_at is null or {{ near_part('emitted_at', 2, 'record_days') }})
    group by all
),

expectations as (select * from {{ ref('stream_expectations') }}),

executions as (
    select decision_id, record_count as execution_count
    from records
    where stream = 'execution_log' and decision_id is not null
),

duties as (
    select
        expectations.stream,
        decisions.decision_id,
        case expectations.expected_per
            when 'execution' then expectations.record_count * coalesce(executions.execution_count, 0)
            else expectations.record_count
        end as expected_count
    from decisions
    inner join expectations
        on (expectations.bots is null or list_contains(string_split(expectations.bots, ' '), decisions.bot))
        and expectations.expected_per is not null
        and coalesce(decisions.bar_counter, 0) % expectations.every_bars = 0
    left join executions on decisions.decision_id = executions.decision_id
),

owed as (
    select
        coalesce(duties.stream, present.stream) as stream,
        coalesce(duties.decision_id, present.decision_id) as decision_id,
        coalesce(duties.expected_count, 0) as expected_count,
        coalesce(present.record_count, 0) as present_count
    from duties
    full outer join (select * from records where decision_id is not null) as present
        on duties.stream = present.stream and duties.decision_id = present.decision_id
),

by_decision as (
    select
        owed.stream,
        decisions.bot,
        decisions.date_ist,
        cast(sum(expected_count) as bigint) as expected_count,
        cast(sum(least(expected_count, present_count)) as bigint) as met_count,
        cast(sum(greatest(present_count - expected_count, 0)) as bigint) as surplus_count,
        count(*) filter (where present_count < expected_count) as incomplete_decision_count
    from owed
    inner join decisions on owed.decision_id = decisions.decision_id
    group by owed.stream, decisions.bot, decisions.date_ist
),

without_decision as (
    select stream, bot, date_ist, cast(sum(record_count) as bigint) as record_count
    from records
    where decision_id is null and {{ in_part('date_ist', 'record_days') }}
    group by stream, bot, date_ist
),

joined as (
    select
        coalesce(by_decision.stream, without_decision.stream) as stream,
        coalesce(by_decision.bot, without_decision.bot) as bot,
        coalesce(by_decision.date_ist, without_decision.date_ist) as date_ist,
        coalesce(by_decision.expected_count, 0) as expected_count,
        coalesce(by_decision.met_count, 0) as met_count,
        coalesce(by_decision.surplus_count, 0) as surplus_count,
        coalesce(by_decision.incomplete_decision_count, 0) as incomplete_decision_count,
        coalesce(without_decision.record_count, 0) as unattributed_count
    from by_decision
    full outer join without_decision
        on by_decision.stream = without_decision.stream
        and by_decision.bot = without_decision.bot
        and by_decision.date_ist = without_decision.date_ist
)

select stream, bot, date_ist, expected_count, met_count, surplus_count, incomplete_decision_count, unattributed_count
from joined
order by date_ist
