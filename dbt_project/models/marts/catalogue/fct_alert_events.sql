-- Alerts as a router would have sent them, replayed day by day: cooldown, escalation and rate limits start anew at each
-- midnight IST (docs/decisions/alert_replay.md). A sample without a value breaks a standing breach and never fires.
with samples as (select * from {{ ref('int_alert_samples') }}),

rules as (select * from {{ ref('alert_rules') }} where null_reason is null),

-- of the bots a mode is a group of bots, whose own values are judged already
valued as (
    select *
    from {{ ref('metric_values') }}
    where grain = 'day'
        and status in ('info', 'warning', 'critical')
        and (source_system = 'huracan' or dimension not in ('mode', 'mode_regime', 'mode_guard'))
),

judged as (
    select
        rules.rule_id,
        samples.dimension,
        samples.dimension_value,
        samples.sampled_at,
        samples.date_ist,
        samples.value,
        samples.n,
        samples.metric_uri,
        samples.is_synthetic,
        case rules.comparator
            when 'lt' then samples.value < rules.threshold
            when 'le' then samples.value <= rules.threshold
            when 'gt' then samples.value > rules.threshold
            when 'ge' then samples.value >= rules.threshold
        end
        and samples.value > coalesce(rules.above, '-infinity'::double)
        and samples.n >= coalesce(rules.min_n, 1) as is_breach
    from rules
    inner join samples
        on rules.sample_source = samples.sample_source
        and rules.signal = samples.signal
        and rules.dimension = samples.dimension
        and (rules.bots is null or list_contains(string_split(rules.bots, ' '), samples.dimension_value))
),

-- a breach stands as long as each next five minutes show it too
edged as (
    select
        *,
        not coalesce(
            lag(is_breach) over in_time and lag(sampled_at) over in_time = sampled_at - interval 5 minutes, false
        ) as is_start
    from judged
    window in_time as (partition by rule_id, dimension, dimension_value, date_ist order by sampled_at)
),

standing as (
    select *, max(case when is_start then sampled_at end) over so_far as breach_started_at
    from edged
    where is_breach
    window so_far as (
        partition by rule_id, dimension, dimension_value, date_ist order by sampled_at
        rows between unbounded preceding and current row
    )
),

-- the first breach of the day is told, then the first after each cooldown
timed as (
    select
        standing.rule_id,
        standing.dimension,
        standing.dimension_value,
        standing.date_ist,
        list(standing.sampled_at order by standing.sampled_at) as breached_at,
        max(rules.cooldown_min) as cooldown_min
    from standing
    inner join rules on standing.rule_id = rules.rule_id
    group by standing.rule_id, standing.dimension, standing.dimension_value, standing.date_ist
),

told as (
    select
        *,
        list_reduce(
            [{'seen_at': seen, 'told_at': [seen], 'cooldown_min': cooldown_min} for seen in breached_at],
            lambda so_far, upcoming: case
                when upcoming.seen_at >= so_far.told_at[-1] + to_minutes(so_far.cooldown_min)
                    then {
                        'seen_at': upcoming.seen_at, 'told_at': list_append(so_far.told_at, upcoming.seen_at), 'cooldown_min': so_far.cooldown_min
                    }
                else so_far
            end
        ).told_at as told_at
    from timed
),

fired as (
    select
        rule_id,
        dimension,
        dimension_value,
        date_ist,
        breached_at,
        unnest(list_zip(told_at, list_append(told_at[2:], null))) as pair
    from told
),

ruled as (
    select
        rules.rule_id,
        'rule' as rule_kind,
        rules.signal,
        fired.dimension,
        fired.dimension_value,
        fired.date_ist,
        fired.pair[1] as fired_at,
        standing.value,
        standing.n,
        standing.metric_uri,
        rules.comparator,
        rules.threshold,
        rules.description,
        standing.breach_started_at,
        rules.level as base_level,
        coalesce(standing.sampled_at >= standing.breach_started_at + to_minutes(rules.escalate_after_min), false) as is_escalated,
        rules.escalated_level,
        -- breaches the cooldown kept quiet
        len(list_filter(
            fired.breached_at, lambda seen: seen > fired.pair[1] and (fired.pair[2] is null or seen < fired.pair[2])
        )) as suppressed_count,
        standing.is_synthetic
    from fired
    inner join rules on fired.rule_id = rules.rule_id
    inner join standing
        on fired.rule_id = standing.rule_id
        and fired.dimension = standing.dimension
        and fired.dimension_value = standing.dimension_value
        and fired.date_ist = standing.date_ist
        and fired.pair[1] = standing.sampled_at
),

-- the limits of the metric catalogue are rules too; a value of a day is judged once, when the day is over
limited as (
    select
        'limit.' || metric_id as rule_id,
        'limit' as rule_kind,
        metric_id as signal,
        dimension,
        dimension_value,
        day_ist as date_ist,
        (cast(day_ist as timestamp) + interval 1 day) at time zone 'Asia/Kolkata' as fired_at,
        value,
        n,
        metric_uri,
        'outside' as comparator,
        cast(null as double) as threshold,
        'Outside the limits of the catalogue' as description,
        (cast(day_ist as timestamp) + interval 1 day) at time zone 'Asia/Kolkata' as breach_started_at,
        status as base_level,
        false as is_escalated,
        cast(null as varchar) as escalated_level,
        0 as suppressed_count,
        is_synthetic
    from valued
),

events as (
    select *, case when is_escalated then coalesce(escalated_level, base_level) else base_level end as level
    from (select * from ruled union all select * from limited) as both_kinds
),

counted as (
    select
        *,
        {{ hour_ist('fired_at') }} as hour_at,
        row_number() over (
            partition by rule_id, date_ist, {{ hour_ist('fired_at') }} order by fired_at, dimension, dimension_value
        ) as rule_no
    from events
),

limited_by_rate as (
    select
        *,
        -- the gravest first: they must not be crowded out
        row_number() over (
            partition by date_ist, hour_at
            order by
                rule_no > {{ var('alerts_per_rule_and_hour') }},
                list_position(['emergency', 'critical', 'warning', 'info'], level),
                fired_at, rule_id, dimension, dimension_value, source_key
        ) as hour_no
    from (select *, coalesce(metric_uri, '') as source_key from counted) as keyed
)

select
    md5(rule_id || '|' || dimension || '|' || dimension_value || '|' || epoch_us(fired_at) || '|' || source_key) as alert_id,
    rule_id,
    rule_kind,
    signal,
    dimension,
    dimension_value,
    date_ist,
    fired_at,
    level,
    base_level,
    is_escalated,
    value,
    comparator,
    threshold,
    cast(n as bigint) as n,
    breach_started_at,
    cast(epoch(fired_at - breach_started_at) as double) as breach_s,
    cast(suppressed_count as bigint) as suppressed_count,
    case
        when rule_no > {{ var('alerts_per_rule_and_hour') }} then 'rate_limited_rule'
        when hour_no > {{ var('alerts_per_hour') }} then 'rate_limited_total'
        else 'sent'
    end as outcome,
    description || ': ' || signal || ' = ' || format('{:.6g}', value)
        || case comparator when 'lt' then ' < ' when 'le' then ' <= ' when 'gt' then ' > ' when 'ge' then ' >= ' else '' end
        || case when threshold is not null then format('{:.6g}', threshold) else '' end
        || ' (' || dimension_value || ')' as message,
    metric_uri,
    is_synthetic
from limited_by_rate
