-- Which models were there, since when, and how complete is what we know of them?
select source_system, model_name, model_id[:12] as model_id, is_identity_complete, first_seen_at, last_seen_at, record_count
from marts.dim_models
order by source_system, first_seen_at;

-- Which hashes identify nothing?
select model_name, hyperparameters_hash, hyperparameters_placeholder, data_hash, data_placeholder
from marts.dim_models
where is_hyperparameters_placeholder or is_data_placeholder
order by model_name;

-- Which commits ran a model?
select model_name, unnest(git_shas) as git_sha, used_by
from marts.dim_models
order by model_name, git_sha;
