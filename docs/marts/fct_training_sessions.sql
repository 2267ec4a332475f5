-- Which trainings were there, and which got better?
select trained_at, model_name, processed_sample_count, auc_score, auc_gain, ece_share, ece_gain, previous_null_reason
from marts.fct_training_sessions
order by trained_at;

-- Which trainings logged no hyperparameters?
select trained_at, model_name, hyperparameters
from marts.fct_training_sessions
where is_hyperparameters_placeholder
order by trained_at;

-- How old was the model that was replaced, and how far did the features move?
select trained_at, model_name, days_since_previous, importance_change
from marts.fct_training_sessions
where previous_session_id is not null
order by trained_at;
