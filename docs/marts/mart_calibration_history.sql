-- How well calibrated were predictions day by day?
select date_ist, subject, n, ece, mce, mce_any_bin, brier_score, ece_null_reason, mce_null_reason
from marts.mart_calibration_history
where basis = 'predictions'
order by date_ist, subject;

-- Does the error that trainings store follow from their bins?
select measured_at, subject, n, ece, logged_ece, is_ece_reproduced
from marts.mart_calibration_history
where basis = 'training'
order by measured_at;

-- In which bins does the latest measurement miss?
select subject, unnest(from_json(bins, '[{"lower_edge": "DOUBLE", "n": "BIGINT", "confidence": "DOUBLE", "accuracy": "DOUBLE"}]'), recursive := true)
from (select * from marts.mart_calibration_history where n > 0 order by measured_at desc, subject limit 1);
