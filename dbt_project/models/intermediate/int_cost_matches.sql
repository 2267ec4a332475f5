{{ config(materialized='incremental', incremental_strategy='part', on_schema_change='fail', meta={'part': {'kind': 'days', 'column': 'emitted_at'}}) }}
-- Every execution writes two costs records, which name bot and bar but no run: the attribution just before it, the
-- breakdown just after it. Through the execution they get their run.
with executions as (
    select
        {{ row_key('raw') }} as row_key,
        raw.source_file,
        raw.line_no,
        files.path_bot as bot,
        record ->> '$.asset' as symbol,
        {{ event_id_instant("record ->> '$.event_id'") }} as bar_open_at,
        try_cast(record ->> '$.bar_id_exec' as bigint) as bar_counter,
        round(try_cast(record ->> '$.fill_px' as double) * try_cast(record ->> '$.fill_qty' as double), 2) as notional_usd,
        record ->> '$.run_id' as run_id,
        raw.emitted_at
    from {{ source('raw', 'execution_log') }} as raw
    inner join {{ source('raw', 'files') }} as files on raw.source_file = files.source_file
    where {{ near_part('raw.emitted_at') }}
),

costs as (
    select
        {{ row_key('raw') }} as row_key,
        files.path_bot as bot,
        record ->> '$.symbol' as symbol,
        {{ from_epoch_ms("try_cast(record ->> '$.ts' as bigint)") }} as bar_open_at,
        {{ cost_shape('record') }} as shape,
        try_cast(record ->> '$.costs.bar_id' as bigint) as bar_counter,
        round(try_cast(record ->> '$.costs.trade_notional' as double), 2) as notional_usd,
        raw.emitted_at
    from {{ source('raw', 'costs') }} as raw
    inner join {{ source('raw', 'files') }} as files on raw.source_file = files.source_file
    where {{ near_part('raw.emitted_at') }}
),

-- only those of the same bars: a year of others would be read for nothing
decisions as (
    select *
    from {{ ref('int_decisions') }}
    where bar_open_at in (select bar_open_at from executions union all select bar_open_at from costs)
),

attributions as (select * from costs where shape = 'attribution'),

breakdowns as (select * from costs where shape = 'breakdown'),

attribution_pairs as (
    {{ pair_by_emission('attributions', 'executions', ['bot', 'symbol', 'bar_open_at', 'bar_counter']) }}
),

breakdown_pairs as (
    {{ pair_by_emission('executions', 'breakdowns', ['bot', 'symbol', 'bar_open_at', 'notional_usd']) }}
),

matches_by_value as (
    select first_key as row_key, second_key as execution_row_key, 'execution_follows' as method, lag_time from attribution_pairs
    union all
    select second_key as row_key, first_key as execution_row_key, 'execution_precedes' as method, lag_time from breakdown_pairs
),

near_matches as (
    select * from matches_by_value where lag_time <= to_seconds({{ var('adjacent_seconds') }})
),

-- the notional is rounded to cents: a half cent may fall on either side
other_breakdowns as (
    select breakdowns.* from breakdowns anti join near_matches on breakdowns.row_key = near_matches.row_key
),

other_executions as (
    select executions.*
    from executions
    anti join (select execution_row_key from near_matches where method = 'execution_precedes') as taken
        on executions.row_key = taken.execution_row_key
),

other_breakdown_pairs as (
    {{ pair_by_emission('other_executions', 'other_breakdowns', ['bot', 'symbol', 'bar_open_at']) }}
),

execution_matches as (
    select row_key, execution_row_key, method from near_matches
    union all
    select second_key, first_key, 'execution_precedes_other_value'
    from other_breakdown_pairs
    where lag_time <= to_seconds({{ var('adjacent_seconds') }})
),

matches_with_run as (
    select
        matches.row_key,
        executions.source_file as execution_source_file,
        executions.line_no as execution_line_no,
        matches.method,
        executions.run_id,
        decisions.decision_id
    from execution_matches as matches
    inner join executions on matches.execution_row_key = executions.row_key
    left join decisions
        on executions.run_id = decisions.run_id
        and executions.bot = decisions.bot
        and executions.symbol = decisions.symbol
        and executions.bar_open_at = decisions.bar_open_at
        and executions.emitted_at >= decisions.owns_from
        and executions.emitted_at < decisions.owns_until
),

-- where the execution was lost, the burst in which the record was written still names the run: from its first record to the
-- decision record, with the bar counter that an attribution carries; among replicas that wrote at once, one without such a record
lone_costs as (
    select costs.* from costs anti join execution_matches on costs.row_key = execution_matches.row_key
),

matched_shapes as (
    select distinct matches.decision_id, costs.shape
    from matches_with_run as matches
    inner join costs on matches.row_key = costs.row_key
),

burst_matches as (
    select
        lone_costs.row_key,
        cast(null as varchar) as execution_source_file,
        cast(null as bigint) as execution_line_no,
        'burst' as method,
        decisions.run_id,
        decisions.decision_id
    from lone_costs
    inner join decisions
        on lone_costs.bot = decisions.bot
        and lone_costs.symbol = decisions.symbol
        and lone_costs.bar_open_at = decisions.bar_open_at
        and coalesce(lone_costs.bar_counter = decisions.bar_counter, true)
        and lone_costs.emitted_at >= decisions.first_seen_at
        and lone_costs.emitted_at <= coalesce(
            decisions.signal_emitted_at, decisions.first_seen_at + to_seconds({{ var('burst_open_end_seconds') }})
        )
    left join matched_shapes on decisions.decision_id = matched_shapes.decision_id and lone_costs.shape = matched_shapes.shape
    where {{ near_part('decisions.first_seen_at') }}
    qualify row_number() over (
        partition by lone_costs.row_key
        order by matched_shapes.decision_id is not null, decisions.first_seen_at desc, decisions.decision_id
    ) = 1
),

matches as (
    select * from matches_with_run
    union all
    select * from burst_matches
)

select
    costs.row_key,
    costs.emitted_at,
    matches.execution_source_file,
    matches.execution_line_no,
    matches.run_id,
    matches.decision_id,
    coalesce(matches.method, 'unattributed') as run_method,
    case when matches.run_id is null then 'no execution, and written in no burst of this bot and bar' end as unattributed_reason
from costs
left join matches using (row_key)
where {{ in_part('costs.emitted_at') }}
order by emitted_at
