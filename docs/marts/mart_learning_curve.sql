-- Do the predictions of the bots get better?
select subject, metric_id, date_ist, value, mean_30d, slope_per_day, slope_null_reason
from marts.mart_learning_curve
where source_system = 'metastacker' and metric_id = 'ic_spearman'
order by subject, date_ist;

-- Which figures have improved since their first day?
select source_system, subject, metric_id, max_by(gain_since_first_day, date_ist) as gain, count(*) as day_count
from marts.mart_learning_curve
group by source_system, subject, metric_id
order by source_system, subject, metric_id;

-- How does the AUC of trainings develop?
select date_ist, value, mean_30d
from marts.mart_learning_curve
where metric_id = 'meta_label_auc'
order by date_ist;
