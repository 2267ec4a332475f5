-- Direction and strength are those of the intent, after the overlay and before guards and forced validation.
select
    decision_id, decided_at, bar_open_at, bot, run_id, symbol, overlay_alignment_rule, overlay_confidence,
    case intent_side when 'BUY' then 1 when 'SELL' then -1 when 'HOLD' then 0 end as intent_direction, intent_strength,
    decision_direction, is_canonical
from marts.fct_decisions
where has_overlay and decided_date_ist >= $first and decided_date_ist < $end
order by decided_at, decision_id
