-- What do the guards say about one decision?
select failed_no, guard, explanation
from marts.fct_gate_explanations
where decision_id = (select min(decision_id) from marts.fct_gate_explanations where is_primary and cf_verdict = 'good')
order by verdict <> 'VETO', failed_no, priority, guard;

-- By how much do decisions miss the limit of the guard that decided?
select bot, guard, count(*) as decision_count, round(median(margin_pct), 1) as median_margin_pct, round(max(margin_pct), 1) as nearest_pct
from marts.fct_gate_explanations
where is_primary and is_canonical
group by all
order by bot, guard;

-- What cannot be known about the guards, and why?
select guard, situation, count(*) as decision_count
from marts.fct_gate_explanations
where verdict = 'UNKNOWN' and is_canonical
group by all
order by guard, situation;
