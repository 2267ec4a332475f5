-- What each decision should have left behind against what landed. Decisions that were lost whole owe all of it: a day between two
-- records of a process is named by the later one, however long ago it was, so this table is not cut into parts; it is small.
with landed as (select * from {{ ref('int_stream_coverage') }}),

lost_decisions as (select bot, bar_counter, {{ date_ist('due_at') }} as date_ist from {{ ref('int_lost_decisions') }}),

expectations as (select * from {{ ref('stream_expectations') }}),

-- whether they executed anything is not known: nothing is owed for that
lost as (
    select
        expectations.stream,
        lost_decisions.bot,
        lost_decisions.date_ist,
        cast(sum(expectations.record_count) as bigint) as record_count,
        count(*) as decision_count
    from lost_decisions
    inner join expectations
        on (expectations.bots is null or list_contains(string_split(expectations.bots, ' '), lost_decisions.bot))
        and expectations.expected_per = 'decision'
        and lost_decisions.bar_counter % expectations.every_bars = 0
    group by expectations.stream, lost_decisions.bot, lost_decisions.date_ist
),

reasons as (select distinct stream, null_reason from expectations where expected_per is null),

joined as (
    select
        coalesce(landed.stream, lost.stream) as stream,
        coalesce(landed.bot, lost.bot) as bot,
        coalesce(landed.date_ist, lost.date_ist) as date_ist,
        coalesce(landed.expected_count, 0) + coalesce(lost.record_count, 0) as expected_count,
        coalesce(landed.met_count, 0) as met_count,
        coalesce(landed.surplus_count, 0) as surplus_count,
        coalesce(landed.unattributed_count, 0) as unattributed_count,
        coalesce(landed.incomplete_decision_count, 0) + coalesce(lost.decision_count, 0) as incomplete_decision_count,
        coalesce(lost.decision_count, 0) as lost_decision_count
    from landed
    full outer join lost on landed.stream = lost.stream and landed.bot = lost.bot and landed.date_ist = lost.date_ist
)

select
    joined.stream,
    bot,
    date_ist,
    case when reasons.stream is null then expected_count end as expected_count,
    met_count + surplus_count + unattributed_count as present_count,
    case when reasons.stream is null then met_count end as met_count,
    case when reasons.stream is null then expected_count - met_count end as missing_count,
    case when reasons.stream is null then surplus_count end as surplus_count,
    case when joined.stream <> 'hyperliquid_fills' then unattributed_count end as unattributed_count,
    case when reasons.stream is null then incomplete_decision_count end as incomplete_decision_count,
    case when reasons.stream is null then lost_decision_count end as lost_decision_count,
    case when reasons.stream is null then {{ ratio('met_count', 'expected_count') }} end as coverage_share,
    coalesce(reasons.null_reason, case when expected_count = 0 then 'nothing_expected' end) as coverage_null_reason
from joined
left join reasons on joined.stream = reasons.stream
order by date_ist
