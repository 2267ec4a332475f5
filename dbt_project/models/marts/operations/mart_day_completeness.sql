-- A day is over when something was logged after it: the clock of the machine that loads or builds has no say, so that the same
-- files give the same rows whenever they are loaded. What a day lacks is known from its decisions, those included that did not land
-- but must have been taken (mart_stream_coverage), and from damaged files of its folders.
with coverage as (
    select
        bot,
        date_ist,
        cast(coalesce(sum(expected_count), 0) as bigint) as expected_count,
        cast(coalesce(sum(missing_count), 0) as bigint) as missing_count
    from {{ ref('mart_stream_coverage') }}
    where bot is not null and date_ist is not null
    group by bot, date_ist
),

lost as (
    select bot, {{ date_ist('due_at') }} as date_ist, count(*) as lost_decision_count
    from {{ ref('int_lost_decisions') }}
    group by all
),

newest as (select max(last_emitted_at) as newest_emitted_at from {{ ref('int_run_spans') }}),

damaged as (
    select path_bot as bot, try_cast(partition_date as date) as date_ist, count(*) as damaged_file_count
    from {{ source('raw', 'files') }}
    where rejected > 0 or bytes_damaged > 0
    group by all
),

-- a file of several bots concerns each of them
damage as (
    select coverage.bot, coverage.date_ist, cast(sum(damaged.damaged_file_count) as bigint) as damaged_file_count
    from coverage
    inner join damaged on coverage.date_ist = damaged.date_ist and coalesce(damaged.bot, coverage.bot) = coverage.bot
    group by coverage.bot, coverage.date_ist
),

judged as (
    select
        coverage.bot,
        coverage.date_ist,
        coalesce({{ date_ist('newest_emitted_at') }} > coverage.date_ist, false) as is_day_over,
        expected_count,
        missing_count,
        coalesce(lost_decision_count, 0) as lost_decision_count,
        coalesce(damaged_file_count, 0) as damaged_file_count
    from coverage
    cross join newest
    left join lost on coverage.bot = lost.bot and coverage.date_ist = lost.date_ist
    left join damage on coverage.bot = damage.bot and coverage.date_ist = damage.date_ist
)

select
    bot,
    date_ist,
    is_day_over,
    expected_count,
    missing_count,
    lost_decision_count,
    damaged_file_count,
    is_day_over and missing_count = 0 and damaged_file_count = 0 as is_complete_day,
    case
        when not is_day_over then 'day_not_over'
        when missing_count > 0 then 'records_missing'
        when damaged_file_count > 0 then 'files_damaged'
    end as incomplete_reason
from judged
