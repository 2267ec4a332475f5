-- Which reasons stopped a bot, and how often, over canonical bars?
select bot, veto_reason_primary, count(*) as decision_count
from marts.fct_decisions
where is_canonical
group by bot, veto_reason_primary
order by bot, decision_count desc, veto_reason_primary;

-- Do the thresholds in force explain the logged eligibility of every decision?
select bot, code_version, count(*) as decision_count, count(*) filter (where is_eligibility_reproduced) as reproduced_count
from marts.fct_decisions
group by bot, code_version
order by bot, code_version;

-- Where do intent and outcome differ, and was the difference a forced trade, a guard or an exit?
select intent_side, final_side, is_forced, guard_token, exit_reason is not null as is_exit, count(*) as decision_count
from marts.fct_decisions
group by all
order by decision_count desc, intent_side, final_side;
