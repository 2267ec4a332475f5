select
    decided_date_ist as date_ist, bot, coalesce(chosen_arm, 'none') as chosen_arm, count(*) as decision_count,
    count(*) filter (where is_canonical) as bar_count, count(*) filter (where execution_count > 0) as executed_count
from marts.fct_decisions
where decided_date_ist >= $first and decided_date_ist < $end
group by all
order by all
