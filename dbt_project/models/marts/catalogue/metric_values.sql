-- Values of the metric catalogue in long form. What a metric is made of stands in seed metrics; this only carries it out.
with measures as (select * from {{ ref('int_metric_measures') }}),

metrics as (select * from {{ ref('metrics') }} where aggregation <> 'none'),

limits as (select * from {{ ref('int_metric_limits') }}),

modes as (select * from {{ ref('bot_modes') }}),

-- what each measure is asked for
wanted as (
    select distinct measure, unnest(string_split(dimensions, ' ')) as dimension, grains
    from (
        select numerator as measure, dimensions, grains from metrics
        union all
        select denominator as measure, dimensions, grains from metrics where denominator is not null
    ) as used
),

wanted_grains as (
    select distinct measure, dimension, unnest(string_split(grains, ' ')) as grain from wanted
),

-- the groups that a measure counts in
grouped as (
    select
        source_system, measure, date_ist, value, n, null_reason, source_row_count, is_synthetic,
        unnest([
            {'dimension': 'all', 'dimension_value': 'all'},
            {'dimension': 'bot', 'dimension_value': bot},
            {'dimension': 'mode', 'dimension_value': mode},
            {'dimension': dimension, 'dimension_value': dimension_value},
            {'dimension': 'bot_' || dimension, 'dimension_value': bot || '/' || dimension_value},
            {'dimension': 'mode_' || dimension, 'dimension_value': mode || '/' || dimension_value}
        ], recursive := true)
    from measures
),

aggregated as (
    select
        source_system,
        grouped.measure,
        grain,
        grouped.dimension,
        grouped.dimension_value,
        cast(date_trunc(grain, date_ist) as date) as day_ist,
        sum(value) as value_sum,
        max(value) as value_max,
        min(value) as value_min,
        count(*) as part_count,
        sum(n) as n,
        min(null_reason) as null_reason,
        sum(source_row_count) as source_row_count,
        bool_or(is_synthetic) as is_synthetic
    from grouped
    inner join wanted_grains on grouped.measure = wanted_grains.measure and grouped.dimension = wanted_grains.dimension
    where grouped.dimension_value is not null
    group by all
),

computed as (
    select
        metrics.*,
        parts.source_system,
        parts.grain,
        parts.dimension,
        parts.dimension_value,
        parts.day_ist,
        case metrics.aggregation
            when 'max' then parts.value_max
            when 'min' then parts.value_min
            -- a statistic of two groups is not that of both
            when 'single' then case when parts.part_count = 1 then parts.value_sum end
            else parts.value_sum
        end as numerator_value,
        case metrics.aggregation when 'ratio_abs' then abs(wholes.value_sum) else wholes.value_sum end as denominator_value,
        coalesce(wholes.n, parts.n) as n,
        parts.source_row_count,
        coalesce(
            parts.null_reason,
            wholes.null_reason,
            case when metrics.aggregation = 'single' and parts.part_count > 1 then 'several_groups' end
        ) as input_null_reason,
        parts.is_synthetic
    from metrics
    inner join aggregated as parts
        on metrics.numerator = parts.measure
        and list_contains(string_split(metrics.dimensions, ' '), parts.dimension)
        and list_contains(string_split(metrics.grains, ' '), parts.grain)
    left join aggregated as wholes
        on metrics.denominator = wholes.measure
        and parts.source_system = wholes.source_system
        and parts.grain = wholes.grain
        and parts.dimension = wholes.dimension
        and parts.dimension_value = wholes.dimension_value
        and parts.day_ist = wholes.day_ist
),

valued as (
    select
        *,
        case
            when denominator is null then cast(numerator_value as double)
            else {{ ratio('numerator_value', 'denominator_value') }}
        end * scale as value
    from computed
),

-- which limit is the nearest: of this very group, of the bot's mode, of the guard, of the metric at large
scoped as (
    select
        valued.*,
        case
            when own.metric_id is not null then valued.dimension_value
            when of_mode.metric_id is not null then modes.mode
            when of_guard.metric_id is not null then of_guard.scope
        end as limit_scope,
        -- a sum over a part is not to be measured by the limit of the whole
        valued.aggregation <> 'sum' or valued.dimension = 'all' as is_whole
    from valued
    left join modes on valued.dimension = 'bot' and valued.dimension_value = modes.bot
    left join limits as own
        on valued.metric_id = own.metric_id and valued.grain = own.grain and valued.dimension_value = own.scope
    left join limits as of_mode
        on valued.metric_id = of_mode.metric_id and valued.grain = of_mode.grain and modes.mode = of_mode.scope
    left join limits as of_guard
        on valued.metric_id = of_guard.metric_id and valued.grain = of_guard.grain
        and valued.dimension in ('guard', 'bot_guard', 'mode_guard')
        and split_part(valued.dimension_value, '/', -1) = of_guard.scope
),

limited as (
    select
        scoped.*,
        limits.scope as applied_scope,
        limits.metric_id is not null as is_limited,
        limits.target_min,
        limits.target_ideal,
        limits.target_max,
        limits.info_below,
        limits.info_above,
        limits.warning_below,
        limits.warning_above,
        limits.critical_below,
        limits.critical_above,
        case
            when scoped.value is null then 'no_value'
            when limits.metric_id is null then 'no_limit_set'
            when scoped.n < limits.min_n then 'below_minimum_count'
            when coalesce(
                limits.info_below, limits.info_above, limits.warning_below, limits.warning_above,
                limits.critical_below, limits.critical_above
            ) is null then 'no_limit_set'
        end as status_null_reason
    from scoped
    left join limits
        on scoped.metric_id = limits.metric_id
        and scoped.grain = limits.grain
        and (scoped.limit_scope = limits.scope or (scoped.limit_scope is null and limits.scope is null and scoped.is_whole))
)

select
    metric_id,
    source_system,
    grain,
    dimension,
    dimension_value,
    day_ist,
    value,
    case when value is null then coalesce(input_null_reason, case when denominator_value is null then 'no_denominator' else 'denominator_is_zero' end) end as value_null_reason,
    cast(numerator_value as double) as numerator,
    cast(denominator_value as double) as denominator,
    cast(n as bigint) as n,
    cast(source_row_count as bigint) as source_row_count,
    unit,
    owner_model,
    direction,
    target_min,
    target_ideal,
    target_max,
    case when value is not null and coalesce(target_min, target_max) is not null then
        value >= coalesce(target_min, value) and value <= coalesce(target_max, value)
    end as is_on_target,
    case
        when status_null_reason is not null then null
        when value < critical_below or value > critical_above then 'critical'
        when value < warning_below or value > warning_above then 'warning'
        when value < info_below or value > info_above then 'info'
        else 'ok'
    end as status,
    status_null_reason,
    'metrics://' || metric_id || '/' || source_system || '/' || grain || '/' || dimension || '=' || dimension_value || '/' || day_ist
        as metric_uri,
    is_synthetic
from limited
