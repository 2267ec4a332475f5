-- One row per bot, symbol, population, horizon and IST day.
select
    grain_key as date_ist, bot, symbol, population, horizon_bars, n_rows, n_distinct_bars, n_used,
    ic_spearman, ic_spearman_lower, ic_spearman_upper, ic_t_stat, ic_decay_rate_per_day,
    model_hit_share, model_hit_share_lower, model_hit_share_upper, strategy_hit_share, majority_hit_share, bias_bps, mae_bps,
    brier_score, brier_skill, log_loss, ece, mce, calibration_drift_pct, out_of_band_rate_7d, model_version,
    model_version_age_days, is_window_complete, is_synthetic
from marts.mart_prediction_quality
where grain = 'day_ist' and try_cast(grain_key as date) >= $first and try_cast(grain_key as date) < $end
order by date_ist, bot, symbol, population, horizon_bars
