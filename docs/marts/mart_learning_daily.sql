-- What was learned day by day?
select date_ist, session_count, processed_sample_count, best_auc, best_auc_model, latest_model, latest_auc_gain, is_ready
from marts.mart_learning_daily
order by date_ist;

-- Which features lead the latest model of each day?
select date_ist, latest_model, top_features[:3] as top_features
from marts.mart_learning_daily
order by date_ist;

-- On which days was no model ready to trade?
select date_ist, latest_model, latest_auc, latest_ece, latest_sample_count
from marts.mart_learning_daily
where is_ready is not true
order by date_ist;
