{{ config(materialized='view') }}
-- Shadow trades by the guard that blocked them, over canonical bars of live runs: resolved ones only, like the second system,
-- but a neutral block is neither good nor bad.
with shadows as (select * from {{ ref('shadow_trades') }} where is_in_statistics)

select
    blocked_by,
    count(*) filter (where cf_pnl_bps is not null) as total_blocked,
    count(*) filter (where was_good_block) as good_blocks,
    count(*) filter (where not was_good_block) as bad_blocks,
    {{ ratio('count(*) filter (where was_good_block)', 'count(was_good_block)') }} as block_accuracy,
    cast(sum(cf_pnl_bps) as decimal(38, 6)) as missed_pnl_bps,
    count(*) filter (where verdict = 'neutral') as neutral_blocks,
    count(*) filter (where verdict = 'unresolved') as unresolved_blocks
from shadows
group by blocked_by
