-- Which guard blocked rightly, and what did its blocks miss and avoid?
select guard, bot, side_method, sum(good_count) as good, sum(bad_count) as bad, sum(good_count) / nullif(sum(good_count + bad_count), 0) as accuracy,
    sum(missed_profit_bps) as missed_profit_bps, sum(avoided_loss_bps) as avoided_loss_bps
from marts.mart_gate_accuracy
where horizon_bars = 1
group by all
order by guard, bot, side_method;

-- How does it change with the regime?
select regime_bucket, sum(resolved_count) as resolved, sum(good_count) as good, sum(bad_count) as bad, sum(shadow_pnl_bps) as shadow_pnl_bps
from marts.mart_gate_accuracy
where horizon_bars = 1
group by all
order by regime_bucket;

-- How many blocks can be judged at all, by horizon?
select horizon_bars, sum(blocked_count) as blocked, sum(without_side_count) as without_side, sum(unresolved_count) as unresolved, sum(resolved_count) as resolved
from marts.mart_gate_accuracy
group by all
order by horizon_bars;
