-- When the 5m bot is this sure of its most likely class, how often does it come true?
select bin_from_prob, bin_until_prob, n_used, round(predicted_prob, 4) as predicted_prob, round(realized_share, 4) as realized_share,
    round(realized_share_lower, 4) as lower_bound, round(realized_share_upper, 4) as upper_bound
from marts.mart_reliability_bins
where grain = 'total' and population = 'all_bars' and bot = '5m' and horizon_bars = 1 and curve = 'top_class'
order by bin_no;

-- In which bins with enough predictions does the interval exclude what was predicted?
select bot, curve, bin_from_prob, n_used, round(predicted_prob, 4) as predicted_prob, round(realized_share, 4) as realized_share
from marts.mart_reliability_bins
where grain = 'total' and population = 'all_bars' and horizon_bars = 1 and has_minimum_count
    and predicted_prob not between realized_share_lower and realized_share_upper
order by bot, curve, bin_no;

-- Is the model more over-confident about going up or going down?
select bot, curve, sum(n_used) as prediction_count, round(sum(n_used * calibration_error) / sum(n_used), 4) as mean_error
from marts.mart_reliability_bins
where grain = 'total' and population = 'all_bars' and horizon_bars = 1 and curve <> 'top_class'
group by bot, curve
order by bot, curve;
