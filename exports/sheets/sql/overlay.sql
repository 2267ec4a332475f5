select
    decision_id, decided_at, bar_open_at, bot, run_id, symbol, overlay_alignment_rule, overlay_confidence, decision_direction, is_canonical
from marts.fct_decisions
where has_overlay and decided_date_ist >= $first and decided_date_ist < $end
order by decided_at, decision_id
