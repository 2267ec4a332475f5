-- Thirty days of learning: each daily figure with its mean over the last 30 days and its trend, per bot or for the trainings.
with daily as (
    select source_system, dimension_value as subject, metric_id, day_ist as date_ist, value, n, direction, metric_uri, is_synthetic
    from {{ ref('metric_values') }}
    where grain = 'day'
        and dimension = 'bot_symbol'
        and metric_id in ('ic_spearman', 'ece', 'brier_score', 'log_loss', 'strategy_hit_share')
        and value is not null
    union all
    select
        'huracan' as source_system,
        'trainer' as subject,
        unnest([
            {'metric_id': 'meta_label_auc', 'date_ist': date_ist, 'value': latest_auc, 'n': latest_sample_count, 'direction': 'higher'},
            {'metric_id': 'ece', 'date_ist': date_ist, 'value': latest_ece, 'n': latest_sample_count, 'direction': 'lower'}
        ], recursive := true),
        cast(null as varchar) as metric_uri,
        is_synthetic
    from {{ ref('mart_learning_daily') }}
),

windowed as (
    select
        *,
        cast(value as decimal(28, 12)) as y,
        cast(date_ist - date '2020-01-01' as bigint) as x
    from daily
    where value is not null
),

summed as (
    select
        *,
        count(*) over thirty_days as day_count,
        sum(y) over thirty_days as sum_y,
        sum(x) over thirty_days as sum_x,
        sum(x * x) over thirty_days as sum_xx,
        sum(x * y) over thirty_days as sum_xy,
        first_value(value) over so_far as first_value_seen
    from windowed
    window
        thirty_days as (
            partition by source_system, subject, metric_id order by date_ist
            range between interval 29 days preceding and current row
        ),
        so_far as (partition by source_system, subject, metric_id order by date_ist)
)

select
    source_system,
    subject,
    metric_id,
    date_ist,
    value,
    cast(n as bigint) as n,
    direction,
    day_count,
    {{ ratio('sum_y', 'day_count') }} as mean_30d,
    case when day_count >= {{ var('ic_decay_min_days') }} then
        {{ ratio('day_count * sum_xy - sum_x * sum_y', 'day_count * sum_xx - sum_x * sum_x') }}
    end as slope_per_day,
    case when day_count < {{ var('ic_decay_min_days') }} then 'too_few_days' end as slope_null_reason,
    case direction when 'higher' then value - first_value_seen else first_value_seen - value end as gain_since_first_day,
    metric_uri,
    is_synthetic
from summed
