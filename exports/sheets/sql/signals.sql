with points as (
    select decision_id, arg_max(bar_close_px, point_no) as bar_close_px from marts.fct_equity group by decision_id
)

select
    d.decision_id, d.decided_at, d.bar_open_at, d.bot, d.run_id, d.symbol, p.bar_close_px, d.bar_volume_qty, d.s_model, d.p_down_prob,
    d.p_neutral_prob, d.p_up_prob, d.decision_direction, d.decision_strength, d.funding_rate, d.target_position_fraction, d.chosen_arm,
    d.intent_side, d.final_side, d.is_forced, d.veto_reason_primary, d.is_canonical
from marts.fct_decisions as d
left join points as p using (decision_id)
where d.decided_date_ist >= $first and d.decided_date_ist < $end
order by d.decided_at, d.decision_id
