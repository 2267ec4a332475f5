with metrics as (select * from {{ ref('metrics') }}),

limits as (select metric_id, count(*) as limit_count from {{ ref('int_metric_limits') }} group by metric_id),

computed as (
    select
        metric_id,
        count(*) as value_row_count,
        count(value) as value_count,
        count(distinct (source_system, dimension, dimension_value)) as series_count,
        min(day_ist) filter (where value is not null) as first_day_ist,
        max(day_ist) filter (where value is not null) as last_day_ist,
        list(distinct source_system order by source_system) filter (where value is not null) as source_systems
    from {{ ref('metric_values') }}
    group by metric_id
)

select
    metrics.metric_id,
    metric_group,
    description,
    formula,
    unit,
    aggregation,
    numerator,
    denominator,
    scale,
    owner_model,
    string_split(dimensions, ' ') as dimensions,
    string_split(grains, ' ') as grains,
    direction,
    seed_no,
    coalesce(limit_count, 0) as limit_count,
    case
        when aggregation = 'none' then 'not_logged'
        when coalesce(value_count, 0) > 0 then 'computed'
        else 'no_value_yet'
    end as availability,
    coalesce(null_reason, case when value_row_count is null then 'no_source_rows' when value_count = 0 then 'every_value_undefined' end)
        as availability_reason,
    coalesce(series_count, 0) as series_count,
    coalesce(value_count, 0) as value_count,
    first_day_ist,
    last_day_ist,
    coalesce(source_systems, []) as source_systems
from metrics
left join limits on metrics.metric_id = limits.metric_id
left join computed on metrics.metric_id = computed.metric_id
