-- What a reader should know of each IST day, by the rules of seed insight_rules over the metric catalogue. A rule that compares
-- two metrics cites both; a rule on a missing value says nothing.
with rules as (select * from {{ ref('insight_rules') }}),

daily as (select * from {{ ref('metric_values') }} where grain = 'day' and value is not null),

matched as (
    select
        rules.* exclude (source_system),
        daily.source_system,
        daily.dimension_value,
        daily.day_ist,
        daily.value,
        daily.n,
        daily.metric_uri,
        daily.is_synthetic,
        other.value as other_value,
        other.metric_uri as other_uri
    from rules
    inner join daily
        on rules.metric_id = daily.metric_id
        and rules.dimension = daily.dimension
        and (rules.source_system is null or rules.source_system = daily.source_system)
    left join daily as other
        on rules.other_metric_id = other.metric_id
        and daily.source_system = other.source_system
        and daily.dimension = other.dimension
        and daily.dimension_value = other.dimension_value
        and daily.day_ist = other.day_ist
),

held as (
    select *
    from matched
    where n >= coalesce(min_n, 0)
        and value > coalesce(above, '-infinity'::double)
        and (other_metric_id is null or other_value is not null)
        and case comparator
            when 'lt' then value < coalesce(threshold, other_value)
            when 'le' then value <= coalesce(threshold, other_value)
            when 'gt' then value > coalesce(threshold, other_value)
            when 'ge' then value >= coalesce(threshold, other_value)
            when 'eq' then value = coalesce(threshold, other_value)
        end
)

select
    md5(rule_id || '|' || source_system || '|' || dimension_value || '|' || day_ist) as insight_id,
    day_ist,
    row_number() over (
        partition by day_ist
        order by list_position(['critical', 'warning', 'info'], severity), priority, source_system, dimension_value, rule_id
    ) as insight_no,
    rule_id,
    severity,
    topic,
    source_system,
    dimension,
    dimension_value,
    replace(
        replace(replace(replace(template, '{value}', case when unit = 'share' then format('{:.1f} %', 100 * value) else format('{:.6g}', value) end),
            '{other}', coalesce(case when unit = 'share' then format('{:.1f} %', 100 * other_value) else format('{:.6g}', other_value) end, '')),
            '{group}', dimension_value),
        '{n}', cast(n as varchar)
    ) as insight,
    recommendation,
    value,
    other_value,
    n,
    list_filter([metric_id, other_metric_id], lambda id: id is not null) as metric_ids,
    list_filter([metric_uri, other_uri], lambda uri: uri is not null) as metric_uris,
    is_synthetic
from held
