-- How would the share that passes change with the least confidence?
select bot, limit_value, is_current_limit, pass_rate, freed_count, stopped_count, pnl_change_bps
from marts.mart_threshold_whatif
where guard = 'confidence'
order by bot, limit_value;

-- Which other limits are suggested? Nothing applies them.
select guard, bot, current_limit, limit_value, suggestion, freed_count, stopped_count, pnl_change_bps
from marts.mart_threshold_whatif
where is_suggested
order by guard, bot;

-- Are those whom a limit blocks the ones that would have lost?
select guard, bot, limit_value, blocked_count, blocked_good_count, blocked_bad_count, blocked_shadow_pnl_bps
from marts.mart_threshold_whatif
where is_current_limit
order by guard, bot;
