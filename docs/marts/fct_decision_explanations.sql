-- Why did the bot do what it did on the last bars?
select bot, bar_open_at, explanation
from marts.fct_decision_explanations
where is_canonical
order by decided_at desc, decision_id
limit 3;

-- How often would one change have been enough, and which?
select bot, one_change_guard, one_change_null_reason, count(*) as decision_count
from marts.fct_decision_explanations
where is_blocked and is_canonical
group by all
order by bot, decision_count desc, one_change_guard;

-- Which guards fail together?
select failed_path_guards, count(*) as decision_count
from marts.fct_decision_explanations
where is_blocked and is_canonical
group by all
order by decision_count desc, failed_path_guards;
