-- Which processes ran when, and how many at once?
select left(run_id, 8) as run, run_kind, first_emitted_at, last_emitted_at, concurrent_run_count, decision_count
from marts.dim_runs
order by first_emitted_at, run_id;

-- Which runs decided on unfinished bars and are to be left out of performance?
select left(run_id, 8) as run, run_kind, bots, decision_count
from marts.dim_runs
where run_kind = 'offline_smoke'
order by run_id;

-- How many bars did each bot decide in each run?
select left(run_id, 8) as run, bar_count_by_bot, git_sha
from marts.dim_runs
order by decision_count desc, run_id;
