-- Did calibration improve the hit rate over all decisions, or did it change nothing at all?
select bot, n_used, round(raw_hit_share, 4) as raw_hit_share, round(calibrated_hit_share, 4) as calibrated_hit_share,
    calibration_gain_share, changed_score_count, is_calibration_identity
from marts.mart_calibration_vs_outcome
where population = 'all_bars' and entry_set = 'decisions' and strength = 'all' and horizon_bars = 1
order by bot;

-- Do stronger calibrated scores of the 5m bot hit more often?
select strength, n_used, round(calibrated_hit_share, 4) as hit_share, round(calibrated_hit_share_lower, 4) as lower_bound,
    round(calibrated_hit_share_upper, 4) as upper_bound
from marts.mart_calibration_vs_outcome
where population = 'all_bars' and entry_set = 'decisions' and bot = '5m' and horizon_bars = 1
order by strength;

-- Was the side of the real entries right, organic and forced apart?
select bot, entry_set, horizon_bars, n_used, round(taken_hit_share, 4) as taken_hit_share,
    round(mean_taken_return_bps, 2) as mean_taken_return_bps
from marts.mart_calibration_vs_outcome
where population = 'all_bars' and entry_set <> 'decisions' and strength = 'all'
order by bot, entry_set, horizon_bars;
