-- One row per order that was filled: what was decided, and what came of it.
select
    f.fill_id, f.bar_open_at, f.filled_at, f.bot, f.run_id, f.symbol, d.decision_direction, d.decision_strength, f.decision_px as close_px,
    f.side, f.qty, f.price, f.notional_usd, d.target_position_fraction, f.is_forced, f.is_canonical
from marts.fct_fills as f
left join marts.fct_decisions as d using (decision_id)
where f.filled_date_ist >= $first and f.filled_date_ist < $end
order by f.filled_at, f.fill_id
