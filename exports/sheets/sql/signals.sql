select
    decision_id, decided_at, bar_open_at, bot, run_id, symbol, s_model, p_down_prob, p_neutral_prob, p_up_prob, decision_direction,
    decision_strength, chosen_arm, intent_side, final_side, is_forced, veto_reason_primary, is_canonical
from marts.fct_decisions
where decided_date_ist >= $first and decided_date_ist < $end
order by decided_at, decision_id
