-- Counts and exact sums of every slice; all statistics of the slice follow from them. Correlations are summed in integers
-- (millionths of a basis point, doubled ranks), scores in decimals: the same for any order of rows.
{%- set slice = 'grain, grain_key, parent_grain, parent_key, bot, symbol, population, horizon_bars' %}
with slices as (select * from {{ ref('int_prediction_slices') }}),

slice_counts as (
    select
        {{ slice }},
        min(predicted_at) as first_predicted_at,
        max(predicted_at) as last_predicted_at,
        max(predicted_date_ist) as last_date_ist,
        sum(replica_count)::bigint as n_rows,
        count(*) as n_distinct_bars,
        count(*) filter (is_scored) as n_used,
        count(distinct coalesce(model_version, 'unknown')) as model_version_count,
        min(model_version) as model_version,
        bool_or(is_synthetic) as is_synthetic
    from slices
    group by all
),

-- one number per slice: the rank windows below sort by it, not by eight columns
numbered_slices as (
    select *, row_number() over (order by {{ slice }}) as slice_no from slice_counts
),

labelled as (
    select
        numbered_slices.slice_no,
        slices.horizon_bars,
        slices.bar_open_at,
        slices.bar_close_at,
        slices.pred_raw_bps,
        slices.realized_return_bps,
        slices.strategy_direction,
        slices.realized_class,
        slices.p_down_prob,
        slices.p_neutral_prob,
        slices.p_up_prob
    from slices
    inner join numbered_slices using ({{ slice }})
    where slices.is_scored
),

-- average ranks, doubled to stay whole: twice the lowest rank of the ties plus their number less one
ranked as (
    select
        *,
        2 * rank() over by_prediction + count(*) over (by_prediction range between current row and current row) - 1
            as prediction_rank_2,
        2 * rank() over by_return + count(*) over (by_return range between current row and current row) - 1 as return_rank_2,
        count(*) over (by_prediction range between current row and current row) as prediction_ties
    from labelled
    window
        by_prediction as (partition by slice_no order by pred_raw_bps),
        by_return as (partition by slice_no order by realized_return_bps)
),

-- labels of h bars overlap but for every h-th bar
scored as (
    select
        *,
        cast(pred_raw_bps * 1000000 as hugeint) as x,
        cast(realized_return_bps * 1000000 as hugeint) as y,
        cast(prediction_rank_2 as hugeint) as rx,
        cast(return_rank_2 as hugeint) as ry,
        cast(epoch(bar_open_at) / epoch(bar_close_at - bar_open_at) as bigint) % horizon_bars = 0 as is_non_overlapping,
        p_down_prob is not null and p_neutral_prob is not null and p_up_prob is not null as has_classes,
        greatest(p_down_prob, p_neutral_prob, p_up_prob) as top_prob,
        -- ties go to the lowest class, as argmax does
        case
            when p_down_prob >= p_neutral_prob and p_down_prob >= p_up_prob then 'down'
            when p_neutral_prob >= p_up_prob then 'neutral'
            else 'up'
        end as top_class,
        case realized_class when 'down' then p_down_prob when 'neutral' then p_neutral_prob when 'up' then p_up_prob end as hit_prob,
        (p_down_prob - (realized_class = 'down')::integer) ** 2
        + (p_neutral_prob - (realized_class = 'neutral')::integer) ** 2
        + (p_up_prob - (realized_class = 'up')::integer) ** 2 as brier_score
    from ranked
),

slice_sums as (
    select
        slice_no,
        count(*) filter (is_non_overlapping) as n_non_overlapping,
        count(*) filter (prediction_ties > 1) as tied_prediction_count,
        sum(x) as sum_x,
        sum(y) as sum_y,
        sum(x * x) as sum_xx,
        sum(y * y) as sum_yy,
        sum(x * y) as sum_xy,
        sum(rx) as sum_rx,
        sum(ry) as sum_ry,
        sum(rx * rx) as sum_rxx,
        sum(ry * ry) as sum_ryy,
        sum(rx * ry) as sum_rxy,
        sum(abs(x - y)) as sum_abs_error,
        count(*) filter (x = 0 or y = 0) as zero_count,
        count(*) filter (x <> 0 and y <> 0) as model_sign_count,
        count(*) filter (x <> 0 and y <> 0 and (x > 0) = (y > 0)) as model_hit_count,
        count(*) filter (strategy_direction <> 0 and y <> 0) as strategy_sign_count,
        count(*) filter (strategy_direction <> 0 and y <> 0 and (strategy_direction > 0) = (y > 0)) as strategy_hit_count,
        count(*) filter (y > 0) as up_move_count,
        count(*) filter (y < 0) as down_move_count,
        count(*) filter (has_classes) as n_classes,
        count(*) filter (has_classes and realized_class = 'down') as down_class_count,
        count(*) filter (has_classes and realized_class = 'neutral') as neutral_class_count,
        count(*) filter (has_classes and realized_class = 'up') as up_class_count,
        count(*) filter (has_classes and realized_class = top_class) as top_class_hit_count,
        {{ exact_sum('top_prob') }} filter (has_classes) as sum_top_prob,
        {{ exact_sum('brier_score') }} filter (has_classes) as sum_brier,
        -- a probability of 0 for what happened would cost infinitely much: floored at 1e-15
        {{ exact_sum('-ln(greatest(hit_prob, 1e-15))') }} filter (has_classes) as sum_log_loss
    from scored
    group by all
)

select
    numbered_slices.* exclude (slice_no),
    slice_sums.* exclude (slice_no),
    {{ correlation('n_used', 'sum_x', 'sum_y', 'sum_xx', 'sum_yy', 'sum_xy', var('correlation_min_count')) }} as ic_pearson,
    {{ correlation('n_used', 'sum_rx', 'sum_ry', 'sum_rxx', 'sum_ryy', 'sum_rxy', var('correlation_min_count')) }} as ic_spearman
from numbered_slices
left join slice_sums using (slice_no)
