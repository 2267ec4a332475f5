-- What the daily prediction statistics contribute to the metrics: next-bar horizon, warm canonical bars, per bot and symbol.
-- A statistic of a day is no sum, so it stands at the grain of its mart only; counts add up.
with qualities as (
    select
        *,
        cast(grain_key as date) as date_ist,
        n_rows as source_row_count,
        ic_spearman - lag(ic_spearman ignore nulls) over (partition by bot, symbol order by cast(grain_key as date)) as ic_drift
    from {{ ref('mart_prediction_quality') }}
    where grain = 'day_ist' and population = 'warm_bars' and horizon_bars = 1
),

-- drift is measured per feature and week; the widest drift of a week stands on its Monday
drifts as (
    select
        bot,
        symbol,
        week_start_ist as date_ist,
        max(psi) as psi,
        count(psi) as psi_count,
        count(*) filter (where is_constant) as constant_count,
        count(*) filter (where is_extreme) as extreme_count,
        count(*) as source_row_count,
        false as is_synthetic
    from {{ ref('mart_feature_drift') }}
    where population = 'warm_bars'
    group by bot, symbol, week_start_ist
)

{{ measure_rows('qualities', 'mart_prediction_quality', {
    'ic_spearman': ['ic_spearman', 'n_used', "null_reasons['ic_spearman']"],
    'ic_drift': ['ic_drift', 'n_used', "case when ic_drift is null then coalesce(null_reasons['ic_spearman'], 'no_earlier_day') end"],
    'ic_pearson': ['ic_pearson', 'n_used', "null_reasons['ic_pearson']"],
    'ic_decay_rate_per_day': ['ic_decay_rate_per_day', 'ic_decay_day_count', "null_reasons['ic_decay_rate_per_day']"],
    'model_hit_count': ['round(coalesce(model_hit_share, 0) * model_sign_count)', 'model_sign_count'],
    'model_sign_count': ['model_sign_count', 'model_sign_count'],
    'strategy_hit_count': ['round(coalesce(strategy_hit_share, 0) * strategy_sign_count)', 'strategy_sign_count'],
    'strategy_sign_count': ['strategy_sign_count', 'strategy_sign_count'],
    'bias_bps': ['bias_bps', 'n_used', "null_reasons['bias_bps']"],
    'mae_prediction_bps': ['mae_bps', 'n_used', "null_reasons['mae_bps']"],
    'ece': ['ece', 'n_classes', "null_reasons['ece']"],
    'mce': ['mce', 'n_classes', "null_reasons['mce']"],
    'brier_score': ['brier_score', 'n_classes', "null_reasons['brier_score']"],
    'brier_skill': ['brier_skill', 'n_classes', "case when brier_skill is null then case when n_classes = 0 then 'no_label' else 'one_class_only' end end"],
    'log_loss': ['log_loss', 'n_classes', "null_reasons['log_loss']"],
    'out_of_band_rate_7d': ['out_of_band_rate_7d', 'out_of_band_7d_count', "null_reasons['out_of_band_rate_7d']"],
    'calibration_drift_share': ['calibration_drift_share', 'n_classes', "case when calibration_drift_share is null then 'no_reference' end"],
    'model_version_age_days': ['model_version_age_days', 'n_rows', "null_reasons['model_version_age_days']"],
}, dimension='symbol', dimension_value='symbol') }}
union all
{{ measure_rows('drifts', 'mart_feature_drift', {
    'feature_psi_max': ['psi', 'psi_count', "case when psi is null then 'below_minimum_count' end"],
    'constant_feature_count': ['constant_count', 'source_row_count'],
    'extreme_feature_count': ['extreme_count', 'source_row_count'],
    'feature_count': ['source_row_count', 'source_row_count'],
}, dimension='symbol', dimension_value='symbol') }}
