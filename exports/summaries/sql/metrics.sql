-- One row per metric, source system and group of one IST day.
select
    metric_id, source_system, dimension, dimension_value, value, value_null_reason, numerator, denominator, n, unit, direction,
    target_min, target_ideal, target_max, is_on_target, status, owner_model, metric_uri, is_synthetic
from marts.metric_values
where grain = 'day' and day_ist >= $first and day_ist < $end
order by metric_id, source_system, dimension, dimension_value
