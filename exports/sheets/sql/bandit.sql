-- One row per choice of an arm. Direction and strength are those of the intent, before guards and forced validation. The rewards
-- of the arms are in no log.
select
    decision_id, decided_at, bar_open_at, bot, run_id, symbol, chosen_arm, chosen_arm_value,
    case intent_side when 'BUY' then 1 when 'SELL' then -1 when 'HOLD' then 0 end as intent_direction, intent_strength, is_eligible,
    execution_count, is_canonical
from marts.fct_decisions
where decided_date_ist >= $first and decided_date_ist < $end
order by decided_at, decision_id
