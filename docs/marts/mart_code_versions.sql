-- Which code ran when, and how much?
select git_sha, first_emitted_at, last_emitted_at, run_count, decision_count
from marts.mart_code_versions
order by version_no;

-- Which commits are not in the published repository?
select git_sha, is_published_commit, code_versions, code_version_methods
from marts.mart_code_versions
where not is_published_commit
order by version_no;

-- Did two versions run at the same time, and is a model version logged at all?
select git_sha, previous_git_sha, is_overlapping_earlier, feature_versions, model_versions_null_reason
from marts.mart_code_versions
order by version_no;
