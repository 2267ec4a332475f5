-- Which features carry the latest model?
select feature_name, importance, importance_rank, rank_gain
from marts.mart_feature_importance_history
where trained_at = (select max(trained_at) from marts.mart_feature_importance_history)
order by importance_rank;

-- Which features rose or fell most?
select trained_at, feature_name, previous_importance, importance, importance_change
from marts.mart_feature_importance_history
where importance_change is not null
order by abs(importance_change) desc, trained_at, feature_name
limit 10;

-- Which features are new?
select trained_at, model_name, feature_name, importance
from marts.mart_feature_importance_history
where is_new_feature
order by trained_at, feature_name;
