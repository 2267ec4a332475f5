-- What changed from version to version, and did it help?
select subject, version_no, git_sha, changed_parts, n_before, n_after, ic_gain, ece_gain, delta_null_reason
from marts.fct_model_lineage
where source_system = 'metastacker'
order by subject, version_no;

-- How did trainings compare with the model before?
select version_no, model_name, auc_before, auc_after, auc_gain, ece_gain, delta_null_reason
from marts.fct_model_lineage
where source_system = 'huracan'
order by version_no;

-- When did each bot start with a new version?
select git_sha, min(first_seen_at) as first_seen_at, list(subject order by subject) as bots
from marts.fct_model_lineage
where git_sha is not null
group by git_sha
order by first_seen_at;
