-- Signals name neither bot nor run. They are the last record of a decision: same symbol, bar and prediction, written just
-- after the equity record that ends the burst.
with bursts as (select * from {{ ref('int_bursts') }}),

-- bots that run an overlay write overlay_status, and only their signals hold the overlay's details
overlay_bots as (
    -- distinct: the set of bots, not of records
    select distinct files.path_bot as bot
    from {{ source('raw', 'files') }} as files
    where files.stream = 'overlay_status' and files.accepted > 0
),

burst_ends as (
    select
        bursts.decision_id as row_key,
        bursts.symbol,
        bursts.bar_open_at,
        overlay_bots.bot is not null as has_overlay,
        bursts.pred_stack_bps,
        bursts.last_seen_at as emitted_at
    from bursts
    left join overlay_bots on bursts.bot = overlay_bots.bot
),

signals as (
    select
        {{ row_key('raw') }} as row_key,
        record ->> '$.symbol' as symbol,
        {{ from_epoch_ms("try_cast(record ->> '$.ts' as bigint)") }} as bar_open_at,
        (record -> '$.decision.details.overlay') is not null as has_overlay,
        -- the ensemble record holds the same score with one decimal
        round(try_cast(record ->> '$.model_out.s_model' as double) * 1e4, 1) as pred_stack_bps,
        raw.emitted_at
    from {{ source('raw', 'signals') }} as raw
),

by_prediction as (
    {{ pair_by_emission('burst_ends', 'signals', ['symbol', 'bar_open_at', 'has_overlay', 'pred_stack_bps']) }}
),

first_matches as (
    select second_key as row_key, first_key as decision_id, lag_time, 'signal_lag' as method
    from by_prediction
    where lag_time <= to_seconds({{ var('burst_tail_seconds') }})
),

-- a burst that lost its ensemble record has no prediction to compare
open_bursts as (
    select burst_ends.* from burst_ends
    where burst_ends.pred_stack_bps is null
),

open_signals as (
    select signals.* from signals
    anti join first_matches on signals.row_key = first_matches.row_key
),

by_bar as (
    {{ pair_by_emission('open_bursts', 'open_signals', ['symbol', 'bar_open_at', 'has_overlay']) }}
),

second_matches as (
    select second_key as row_key, first_key as decision_id, lag_time, 'signal_lag_no_prediction' as method
    from by_bar
    where lag_time <= to_seconds({{ var('burst_tail_seconds') }})
),

matches as (
    select * from first_matches
    union all
    select * from second_matches
)

select
    signals.row_key,
    matches.decision_id,
    coalesce(matches.method, 'unattributed') as method,
    matches.lag_time,
    case when matches.decision_id is null then 'no burst of this bar and prediction ended just before' end as unattributed_reason
from signals
left join matches on signals.row_key = matches.row_key
