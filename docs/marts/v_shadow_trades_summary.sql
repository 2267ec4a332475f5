-- Which guard blocks rightly?
select blocked_by, total_blocked, good_blocks, bad_blocks, block_accuracy
from marts.v_shadow_trades_summary
order by blocked_by;

-- What did the blocks miss or save? Below 0 they saved.
select blocked_by, missed_pnl_bps
from marts.v_shadow_trades_summary
order by missed_pnl_bps, blocked_by;

-- How many have no clear verdict?
select blocked_by, neutral_blocks, unresolved_blocks
from marts.v_shadow_trades_summary
order by blocked_by;
