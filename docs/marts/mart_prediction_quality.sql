-- Does the score of each bot rank the next return, and would the flipped side have been right?
select
    bot, n_rows, n_distinct_bars, n_used, round(ic_spearman, 4) as ic_spearman, round(ic_spearman_lower, 4) as ic_lower,
    round(ic_spearman_upper, 4) as ic_upper, round(model_hit_share, 4) as model_hit_share,
    round(strategy_hit_share, 4) as strategy_hit_share, null_reasons['ic_spearman'] as ic_null_reason
from marts.mart_prediction_quality
where grain = 'total' and population = 'all_bars' and horizon_bars = 1
order by bot;

-- Over which horizon does the score of the 5m bot carry furthest, once overlapping labels are taken into account?
select horizon_bars, n_used, n_non_overlapping, round(ic_spearman, 4) as ic_spearman,
    round(ic_t_stat, 2) as ic_t_stat, round(ic_t_stat_non_overlapping, 2) as cautious_t_stat
from marts.mart_prediction_quality
where grain = 'total' and population = 'all_bars' and bot = '5m'
order by horizon_bars;

-- Are the probabilities honest, day by day, and do they drift away from the first day?
select grain_key as date_ist, bot, n_classes, round(brier_score, 4) as brier_score, round(brier_skill, 4) as brier_skill,
    round(ece, 4) as ece, round(mce, 4) as mce, round(calibration_drift_share, 4) as calibration_drift_share
from marts.mart_prediction_quality
where grain = 'day_ist' and population = 'all_bars' and horizon_bars = 1
order by date_ist, bot;
