-- In which regime does the confidence gate let most decisions through?
select bot, dimension_value as regime_bucket, judged_count, pass_rate, pass_rate_low, pass_rate_high
from marts.mart_guard_matrix
where guard = 'confidence' and dimension = 'regime_bucket'
order by bot, pass_rate desc, regime_bucket;

-- How does the liquidity flag depend on the hour of the day?
select bot, dimension_value as hour_ist, judged_count, pass_rate
from marts.mart_guard_matrix
where guard = 'liquidity_ok' and dimension = 'hour_ist'
order by bot, hour_ist;

-- Which guards decide most rejections of each bot?
select bot, guard, primary_veto_count, pass_rate, is_within_target
from marts.mart_guard_matrix
where dimension = 'all' and primary_veto_count > 0
order by bot, primary_veto_count desc, guard;
