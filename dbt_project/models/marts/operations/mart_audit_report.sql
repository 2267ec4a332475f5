{%- set audit_from = var('audit_from') %}
{%- set audit_to = var('audit_to') %}
-- The appendix of the audit as rows, for every IST day and month, for all there is, and for the period that the variables
-- audit_from and audit_to name (both days inclusive).
with volumes as (select * from {{ ref('mart_stream_volume') }}),

stream_days as (select * from {{ ref('int_stream_days') }}),

files as (select * from {{ source('raw', 'files') }}),

decisions as (select * from {{ ref('fct_decisions') }}),

fills as (select * from {{ ref('fct_fills') }}),

repros as (select * from {{ ref('stg_repro') }}),

intents as (select * from {{ ref('stg_order_intent') }}),

days as (
    select date_ist from volumes where date_ist is not null
    union
    select decided_date_ist from decisions where decided_date_ist is not null
),

bounds as (select min(date_ist) as first_day, max(date_ist) as last_day from days),

periods as (
    select 'day' as period, date_ist as from_date_ist, date_ist as to_date_ist from days
    union
    select 'month', cast(date_trunc('month', date_ist) as date), cast(date_trunc('month', date_ist) + interval 1 month - interval 1 day as date) from days
    union
    select 'all', first_day, last_day from bounds where first_day is not null
    {%- if audit_from and audit_to %}
    union
    select 'chosen', date '{{ audit_from }}', date '{{ audit_to }}'
    {%- endif %}
),

period_days as (
    select periods.*, days.date_ist
    from periods
    inner join days on days.date_ist between periods.from_date_ist and periods.to_date_ist
),

-- a file lies in a period with the days of its records; one that says nothing (junk, nothing readable) only in the whole
file_days as (
    select distinct source_file, date_ist from stream_days where date_ist is not null
    union
    select source_file, try_cast(partition_date as date) from files where try_cast(partition_date as date) is not null
),

file_totals as (
    select period, from_date_ist, to_date_ist, count(distinct file_days.source_file) as file_count
    from period_days
    inner join file_days on period_days.date_ist = file_days.date_ist
    group by all
),

landed as (
    select count(*) as file_count, coalesce(cast(sum(size_bytes) as bigint), 0) as size_bytes
    from files
    where status <> 'missing'
),

stream_totals as (
    select
        period, from_date_ist, to_date_ist, stream,
        cast(sum(text_bytes) as bigint) as text_bytes,
        cast(sum(record_count) as bigint) as record_count
    from period_days
    inner join volumes on period_days.date_ist = volumes.date_ist
    group by all
),

volume_totals as (
    select
        period, from_date_ist, to_date_ist,
        cast(sum(text_bytes) as bigint) as text_bytes,
        cast(sum(record_count) as bigint) as record_count,
        max_by(stream, (text_bytes, stream)) as largest_stream,
        max(text_bytes) as largest_bytes
    from stream_totals
    group by all
),

decision_days as (
    select
        decided_date_ist as date_ist,
        count(*) as decision_row_count,
        count(*) filter (where is_canonical) as decision_count,
        count(*) filter (where is_canonical and is_blocked) as blocked_count,
        count(*) filter (where is_canonical and is_blocked is not null) as judged_count,
        count(*) filter (where is_canonical and execution_count > 0 and not is_forced) as organic_trade_count
    from decisions
    group by decided_date_ist
),

decision_totals as (
    select
        period, from_date_ist, to_date_ist,
        cast(sum(decision_row_count) as bigint) as decision_row_count,
        cast(sum(decision_count) as bigint) as decision_count,
        cast(sum(blocked_count) as bigint) as blocked_count,
        cast(sum(judged_count) as bigint) as judged_count,
        cast(sum(organic_trade_count) as bigint) as organic_trade_count,
        arg_min(decision_count, date_ist) as first_day_count,
        arg_max(decision_count, date_ist) as last_day_count,
        count(*) as day_count
    from period_days
    inner join decision_days using (date_ist)
    group by all
),

fill_totals as (
    select
        period, from_date_ist, to_date_ist,
        count(*) as fill_count,
        count(*) filter (where is_forced) as forced_fill_count
    from period_days
    inner join fills on period_days.date_ist = fills.filled_date_ist
    group by all
),

causes as (
    select period, from_date_ist, to_date_ist, coalesce(veto_reason_primary, 'UNKNOWN') as cause, count(*) as blocked_count
    from period_days
    inner join decisions on period_days.date_ist = decisions.decided_date_ist
    where is_canonical and is_blocked
    group by all
),

commits as (
    select
        period, from_date_ist, to_date_ist, coalesce(git_sha, 'not logged') as git_sha,
        min(emitted_at) as first_emitted_at, count(*) as record_count
    from period_days
    inner join repros on period_days.date_ist = repros.emitted_date_ist
    group by all
),

intent_days as (
    select coalesce(emitted_date_ist, {{ date_ist('bar_open_at') }}) as date_ist, intents.* from intents
),

flags as (
    select
        date_ist,
        unnest([
            {'flag': 'threshold', 'is_true': is_threshold_passed},
            {'flag': 'band', 'is_true': is_band_passed},
            {'flag': 'spread_guard', 'is_true': is_spread_guard_passed},
            {'flag': 'volatility_ok', 'is_true': is_volatility_passed},
            {'flag': 'liquidity_ok', 'is_true': is_liquidity_passed},
            {'flag': 'risk_ok', 'is_true': is_risk_passed}
        ], recursive := true)
    from intent_days
),

flag_totals as (
    select
        period, from_date_ist, to_date_ist, flag,
        count(*) filter (where is_true) as true_count,
        count(is_true) as flag_count
    from period_days
    inner join flags on period_days.date_ist = flags.date_ist
    group by all
),

side_totals as (
    select period, from_date_ist, to_date_ist, coalesce(intent_side, 'not logged') as intent_side, count(*) as intent_count
    from period_days
    inner join intent_days on period_days.date_ist = intent_days.date_ist
    group by all
),

report as (
    select period, from_date_ist, to_date_ist, 1 as section_no, 'key_metrics' as section, 1 as item_no, 'files_with_records' as item,
        cast(file_count as double) as value, null as value_text, 'count' as unit, null as numerator, null as denominator,
        'Files that hold records of the period or lie in its dated folders' as reading
    from file_totals
    union all
    select 'all', first_day, last_day, 1, 'key_metrics', 2, 'files_landed', cast(landed.file_count as double), null, 'count', null, null,
        'All files of the landing, junk and unknown ones too'
    from landed, bounds
    where first_day is not null
    union all
    select 'all', first_day, last_day, 1, 'key_metrics', 3, 'landed_volume', landed.size_bytes / 1e6, null, 'megabytes', landed.size_bytes, null,
        'Size of those files on disk'
    from landed, bounds
    where first_day is not null
    union all
    select period, from_date_ist, to_date_ist, 1, 'key_metrics', 4, 'text_volume', text_bytes / 1e6, null, 'megabytes', text_bytes, null,
        'Text of the accepted records, uncompressed'
    from volume_totals
    union all
    select period, from_date_ist, to_date_ist, 1, 'key_metrics', 5, 'records', cast(record_count as double), null, 'count', null, null,
        'Accepted records of all streams'
    from volume_totals
    union all
    select period, from_date_ist, to_date_ist, 1, 'key_metrics', 6, 'largest_stream', largest_bytes / 1e6, largest_stream, 'megabytes', largest_bytes, text_bytes,
        'Stream with the most text'
    from volume_totals
    union all
    select period, from_date_ist, to_date_ist, 1, 'key_metrics', 7, 'model_evaluations', cast(decision_count as double), null, 'count', null, null,
        'Decisions, one per bot and bar'
    from decision_totals
    union all
    select period, from_date_ist, to_date_ist, 1, 'key_metrics', 8, 'model_evaluations_with_replicas', cast(decision_row_count as double), null, 'count', null, null,
        'Decisions of all processes; what the audit counts'
    from decision_totals
    union all
    select period, from_date_ist, to_date_ist, 1, 'key_metrics', 9, 'evaluation_growth', {{ ratio('last_day_count', 'first_day_count') }}, null, 'ratio', last_day_count, first_day_count,
        'Decisions of the last day with decisions over those of the first; needs two days'
    from decision_totals
    where day_count > 1
    union all
    select decision_totals.period, decision_totals.from_date_ist, decision_totals.to_date_ist, 1, 'key_metrics', 10, 'trades_executed', cast(coalesce(fill_count, 0) as double), null, 'count', null, null,
        'Own executions of all processes, forced validation trades too'
    from decision_totals
    left join fill_totals using (period, from_date_ist, to_date_ist)
    union all
    select decision_totals.period, decision_totals.from_date_ist, decision_totals.to_date_ist, 1, 'key_metrics', 11, 'trades_forced', cast(coalesce(forced_fill_count, 0) as double), null, 'count', null, null,
        'Those that were forced for validation'
    from decision_totals
    left join fill_totals using (period, from_date_ist, to_date_ist)
    union all
    select period, from_date_ist, to_date_ist, 1, 'key_metrics', 12, 'trades_organic', cast(organic_trade_count as double), null, 'count', null, null,
        'Decisions that were executed without being forced, one per bot and bar'
    from decision_totals
    union all
    select period, from_date_ist, to_date_ist, 1, 'key_metrics', 13, 'rejection_rate', {{ ratio('blocked_count', 'judged_count') }}, null, 'share', blocked_count, judged_count,
        'Blocked decisions over decisions whose outcome is known, one per bot and bar'
    from decision_totals
    where judged_count > 0
    union all
    select period, from_date_ist, to_date_ist, 2, 'git_versions',
        row_number() over (partition by period, from_date_ist, to_date_ist order by first_emitted_at, git_sha), git_sha,
        cast(record_count as double), strftime(first_emitted_at at time zone 'Asia/Kolkata', '%Y-%m-%d %H:%M IST'), 'count', null, null,
        'Repro records of this commit; text: first of the period'
    from commits
    union all
    select period, from_date_ist, to_date_ist, 3, 'intent_sides',
        row_number() over (partition by period, from_date_ist, to_date_ist order by intent_side), intent_side, cast(intent_count as double), null, 'count', null, null,
        'Order intents with this side, all processes; written before guards and forced trades'
    from side_totals
    union all
    select period, from_date_ist, to_date_ist, 4, 'guard_flags',
        row_number() over (partition by period, from_date_ist, to_date_ist order by flag), flag, {{ ratio('true_count', 'flag_count') }}, null, 'share', true_count, flag_count,
        'Share of order intents in which this flag is true; true means the guard was PASSED, and no flag decides anything'
    from flag_totals
    where flag_count > 0
    union all
    select period, from_date_ist, to_date_ist, 5, 'true_causes',
        row_number() over (partition by period, from_date_ist, to_date_ist order by causes.blocked_count desc, cause), cause,
        {{ ratio('causes.blocked_count', 'decision_totals.blocked_count') }}, null, 'share', causes.blocked_count, decision_totals.blocked_count,
        'Share of the blocked decisions that this reason blocked first, one per bot and bar'
    from causes
    inner join decision_totals using (period, from_date_ist, to_date_ist)
)

select
    period,
    from_date_ist,
    to_date_ist,
    cast(section_no as integer) as section_no,
    section,
    cast(item_no as bigint) as item_no,
    item,
    value,
    value_text,
    unit,
    cast(numerator as bigint) as numerator,
    cast(denominator as bigint) as denominator,
    reading
from report
