-- Is the model any good? One line of statistics per slice of the predictions. Undefined is NULL with a reason.
{%- set slice = ['bot', 'symbol', 'population', 'horizon_bars'] %}
{%- set by_slice = slice | join(', ') %}
{%- set min_n = var('correlation_min_count') %}
{%- set min_bin = var('calibration_bin_min_count') %}
with sums as (
    select * from {{ ref('int_prediction_sums') }}
    where grain in ('total', 'bar_block', 'day_ist', 'code_version', 'model_version', 'regime')
),

trends as (select * from {{ ref('int_prediction_trends') }}),

band_counts as (select * from {{ ref('int_prediction_band_counts') }}),

bins as (select * from {{ ref('mart_reliability_bins') }}),

models as (
    select model_version, min(trained_at) as trained_at from {{ ref('model_versions') }} group by model_version
),

-- half-open windows: the day, else from the first prediction to just after the last one
windowed as (
    select
        *,
        case when grain = 'day_ist' then cast(grain_key as timestamp) at time zone 'Asia/Kolkata' else first_predicted_at end
            as window_started_at,
        case
            when grain = 'day_ist' then (cast(grain_key as timestamp) + interval 1 day) at time zone 'Asia/Kolkata'
            else last_predicted_at + interval 1 microsecond
        end as window_ended_at,
        {{ ratio('sum_top_prob - top_class_hit_count', 'n_classes') }} as calibration_gap
    from sums
),

calibration_errors as (
    select
        grain, grain_key, {{ by_slice }}, curve,
        -- each bin weighs by its count; summed as decimals, as bins come in any order
        {{ exact_sum('n_used * abs(calibration_error)') }} as weighted_error,
        sum(n_used) as n_used,
        max(abs(calibration_error)) as largest_error,
        max(abs(calibration_error)) filter (has_minimum_count) as largest_error_of_full_bins,
        -- of bins with the same error the fullest
        max({'error': abs(calibration_error), 'n_used': n_used}).n_used as largest_error_count
    from bins
    group by all
),

expected_errors as (
    select
        grain, grain_key, {{ by_slice }},
        max({{ ratio('weighted_error', 'n_used') }}) filter (curve = 'top_class') as ece,
        {{ exact_sum(ratio('weighted_error', 'n_used')) }} filter (curve <> 'top_class') / 3 as ece_classwise,
        max(largest_error_of_full_bins) filter (curve = 'top_class') as mce,
        max(largest_error) filter (curve = 'top_class') as mce_any_bin,
        max(largest_error_count) filter (curve = 'top_class') as mce_any_bin_count
    from calibration_errors
    group by all
),

-- drift is measured against the first window that is full enough
references_ as (
    select
        grain, {{ by_slice }},
        arg_min({'key': grain_key, 'gap': calibration_gap}, (window_started_at, grain_key)) as first_window
    from windowed
    where grain in ('bar_block', 'day_ist', 'code_version', 'model_version') and n_classes >= {{ min_bin }}
    group by all
),

located as (
    select
        windowed.*,
        until.flagged_count as flagged_until,
        until.tradable_count as tradable_until,
        until.labelled_count as labelled_until,
        until.label_outside_count as label_outside_until
    from windowed
    asof left join band_counts as until
        on windowed.parent_grain = until.grain
        and windowed.parent_key = until.grain_key
        {% for column in slice %}and windowed.{{ column }} = until.{{ column }} {% endfor %}
        and windowed.window_ended_at > until.predicted_at
),

last_week as (
    select
        located.* exclude (flagged_until, tradable_until, labelled_until, label_outside_until),
        coalesce(flagged_until, 0) - coalesce(before.flagged_count, 0) as flagged_7d_count,
        coalesce(tradable_until, 0) - coalesce(before.tradable_count, 0) as tradable_7d_count,
        coalesce(labelled_until, 0) - coalesce(before.labelled_count, 0) as labelled_7d_count,
        coalesce(label_outside_until, 0) - coalesce(before.label_outside_count, 0) as label_outside_7d_count
    from located
    asof left join band_counts as before
        on located.parent_grain = before.grain
        and located.parent_key = before.grain_key
        {% for column in slice %}and located.{{ column }} = before.{{ column }} {% endfor %}
        and located.window_ended_at - interval 7 days > before.predicted_at
),

trended as (
    select last_week.*, trends.day_count, trends.ic_per_day, trends.ic_per_day_t_stat
    from last_week
    asof left join trends
        on last_week.parent_grain = trends.parent_grain
        and last_week.parent_key = trends.parent_key
        {% for column in slice %}and last_week.{{ column }} = trends.{{ column }} {% endfor %}
        and last_week.last_date_ist >= trends.date_ist
),

measured as (
    select
        trended.*,
        expected_errors.ece,
        expected_errors.ece_classwise,
        expected_errors.mce,
        expected_errors.mce_any_bin,
        expected_errors.mce_any_bin_count,
        references_.first_window.key as reference_key,
        references_.first_window.gap as reference_gap,
        trended.calibration_gap - references_.first_window.gap as calibration_drift,
        models.trained_at
    from trended
    left join expected_errors using (grain, grain_key, {{ by_slice }})
    left join references_ using (grain, {{ by_slice }})
    left join models
        on trended.model_version = models.model_version and trended.model_version_count = 1
),

reasoned as (
    select
        *,
        case
            when n_used < {{ min_n }} then 'below_minimum_count'
            when ic_pearson is null then 'constant_side'
        end as correlation_null_reason,
        case
            when grain not in ('bar_block', 'day_ist', 'code_version', 'model_version') then 'grain_has_no_order'
            when reference_key is null or coalesce(n_classes, 0) < {{ min_bin }} then 'below_minimum_count'
            when reference_key = grain_key then 'reference_window'
        end as drift_null_reason
    from measured
)

select
    grain,
    grain_key,
    bot,
    symbol,
    population,
    horizon_bars,
    window_started_at,
    window_ended_at,
    n_rows,
    n_distinct_bars,
    n_used,
    coalesce(n_non_overlapping, 0) as n_non_overlapping,
    ic_spearman,
    {{ correlation_bound('ic_spearman', 'n_used', 'lower', 'spearman') }} as ic_spearman_lower,
    {{ correlation_bound('ic_spearman', 'n_used', 'upper', 'spearman') }} as ic_spearman_upper,
    case when abs(ic_spearman) < 1 then ic_spearman * sqrt((n_used - 2) / (1 - ic_spearman * ic_spearman)) end as ic_t_stat,
    case when abs(ic_spearman) < 1 and n_non_overlapping > 2 then
        ic_spearman * sqrt((n_non_overlapping - 2) / (1 - ic_spearman * ic_spearman))
    end as ic_t_stat_non_overlapping,
    ic_pearson,
    {{ correlation_bound('ic_pearson', 'n_used', 'lower', 'pearson') }} as ic_pearson_lower,
    {{ correlation_bound('ic_pearson', 'n_used', 'upper', 'pearson') }} as ic_pearson_upper,
    {{ ratio('tied_prediction_count', 'n_used') }} as tied_prediction_share,
    ic_per_day as ic_decay_rate_per_day,
    ic_per_day_t_stat as ic_decay_t_stat,
    coalesce(day_count, 0) as ic_decay_day_count,
    coalesce(model_sign_count, 0) as model_sign_count,
    {{ ratio('model_hit_count', 'model_sign_count') }} as model_hit_share,
    {{ wilson_bound('model_hit_count', 'model_sign_count', 'lower') }} as model_hit_share_lower,
    {{ wilson_bound('model_hit_count', 'model_sign_count', 'upper') }} as model_hit_share_upper,
    coalesce(strategy_sign_count, 0) as strategy_sign_count,
    {{ ratio('strategy_hit_count', 'strategy_sign_count') }} as strategy_hit_share,
    {{ wilson_bound('strategy_hit_count', 'strategy_sign_count', 'lower') }} as strategy_hit_share_lower,
    {{ wilson_bound('strategy_hit_count', 'strategy_sign_count', 'upper') }} as strategy_hit_share_upper,
    {{ ratio('greatest(up_move_count, down_move_count)', 'up_move_count + down_move_count') }} as majority_hit_share,
    coalesce(zero_count, 0) as zero_count,
    {{ ratio('sum_x - sum_y', 'n_used') }} / 1e6 as bias_bps,
    {{ ratio('sum_abs_error', 'n_used') }} / 1e6 as mae_bps,
    {{ ratio('n_used * sum_xy - sum_x * sum_y', 'n_used * sum_xx - sum_x * sum_x') }} as realized_per_predicted_slope,
    coalesce(n_classes, 0) as n_classes,
    {{ ratio('sum_brier', 'n_classes') }} as brier_score,
    {{ ratio('sum_brier', 'n_classes') }} / 2 as brier_score_half,
    -- against always saying how often each class came
    1 - {{ ratio(
        'sum_brier',
        'n_classes - (down_class_count ** 2 + neutral_class_count ** 2 + up_class_count ** 2) / n_classes'
    ) }} as brier_skill,
    {{ ratio('sum_log_loss', 'n_classes') }} as log_loss,
    ece,
    ece_classwise,
    mce,
    mce_any_bin,
    mce_any_bin_count,
    {{ ratio('sum_top_prob', 'n_classes') }} as top_class_prob,
    {{ ratio('top_class_hit_count', 'n_classes') }} as top_class_hit_share,
    case when drift_null_reason is null then calibration_drift end as calibration_drift_share,
    case when drift_null_reason is null and abs(reference_gap) >= 0.001 then 100 * calibration_drift / abs(reference_gap) end
        as calibration_drift_pct,
    {{ ratio('label_outside_7d_count', 'labelled_7d_count') }} as out_of_band_rate_7d,
    labelled_7d_count::bigint as out_of_band_7d_count,
    {{ ratio('tradable_7d_count', 'flagged_7d_count') }} as seed_out_of_band_rate_7d,
    flagged_7d_count::bigint as seed_out_of_band_7d_count,
    case when model_version_count = 1 then model_version end as model_version,
    {{ ratio('epoch_us(window_ended_at) - epoch_us(trained_at)', '86400e6') }} as model_version_age_days,
    {{ null_reason_map({
        'ic_pearson': 'correlation_null_reason',
        'ic_spearman': 'correlation_null_reason',
        'ic_t_stat': "case when correlation_null_reason is not null then correlation_null_reason when abs(ic_spearman) = 1 then 'perfect_correlation' end",
        'ic_decay_rate_per_day': "case when ic_per_day is null then 'too_few_days' end",
        'model_hit_share': "case when coalesce(model_sign_count, 0) = 0 then 'no_signed_pair' end",
        'strategy_hit_share': "case when coalesce(strategy_sign_count, 0) = 0 then 'no_signed_pair' end",
        'bias_bps': "case when n_used = 0 then 'no_label' end",
        'mae_bps': "case when n_used = 0 then 'no_label' end",
        'brier_score': "case when coalesce(n_classes, 0) = 0 then 'no_label' end",
        'log_loss': "case when coalesce(n_classes, 0) = 0 then 'no_label' end",
        'ece': "case when ece is null then 'no_label' end",
        'mce': "case when mce is null then 'no_bin_with_minimum_count' end",
        'calibration_drift_pct': "case when drift_null_reason is not null then drift_null_reason when abs(reference_gap) < 0.001 then 'reference_near_zero' end",
        'out_of_band_rate_7d': "case when labelled_7d_count = 0 then 'no_label' end",
        'model_version_age_days': "case when model_version_count > 1 then 'several_models' when trained_at is null then 'model_unknown' end",
    }) }} as null_reasons,
    grain <> 'bar_block' or n_distinct_bars = {{ var('prediction_block_bars') }} as is_window_complete,
    cast({{ var('neutral_return_bps') }} as double) as neutral_return_bps,
    is_synthetic
from reasoned
