-- Which inputs of the model are dead, that is logged with one value only?
select bot, feature_name, sum(n_rows) as bar_count
from marts.mart_feature_drift
where population = 'all_bars'
group by bot, feature_name
having bool_and(is_constant)
order by bot, feature_name;

-- Which inputs take absurd values?
select bot, feature_name, week_start_ist, n_used, extreme_count, round(value_min, 1) as value_min, round(value_max, 1) as value_max
from marts.mart_feature_drift
where population = 'all_bars' and is_extreme
order by bot, feature_name, week_start_ist;

-- Which inputs moved away from the reference week most?
select bot, feature_name, week_start_ist, reference_week_start_ist, round(psi, 4) as psi, drift_level
from marts.mart_feature_drift
where population = 'all_bars' and psi is not null and not is_reference_week
order by psi desc, bot, feature_name, week_start_ist
limit 10;
