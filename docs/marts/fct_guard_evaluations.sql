-- What did every guard say, and where can the logs not tell?
select guard, guard_role, verdict, unknown_reason, count(*) as evaluation_count
from marts.fct_guard_evaluations
where is_canonical
group by all
order by guard, verdict, unknown_reason;

-- How far below the confidence limit were the rejected decisions?
select bot, count(*) as veto_count, min(margin_abs) as worst_margin, median(margin_abs) as median_margin, max(margin_abs) as best_margin
from marts.fct_guard_evaluations
where guard = 'confidence' and verdict = 'VETO' and is_canonical
group by bot
order by bot;

-- Where does the audit's reading of the flags contradict their polarity?
select guard, logged_verdict, verdict, count(*) filter (where seed_veto) as audit_rejection_count, count(*) as evaluation_count
from marts.fct_guard_evaluations
where guard_role = 'advisory'
group by guard, logged_verdict, verdict
order by guard, logged_verdict, verdict;
