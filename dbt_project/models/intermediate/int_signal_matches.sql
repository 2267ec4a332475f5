{{ config(materialized='incremental', incremental_strategy='part', on_schema_change='fail', meta={'part': {'kind': 'days', 'column': 'emitted_at'}}) }}
-- Signals name neither bot nor run. They are the last record of a decision: same symbol, bar and prediction, written just
-- after the equity record that ends the burst.
with bursts as (select * from {{ ref('int_bursts') }} where {{ near_part('last_seen_at') }}),

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

records as (
    select
        {{ row_key('raw') }} as row_key,
        record ->> '$.symbol' as symbol,
        {{ from_epoch_ms("try_cast(record ->> '$.ts' as bigint)") }} as bar_open_at,
        (record -> '$.decision.details.overlay') is not null as has_overlay,
        try_cast(record ->> '$.model_out.s_model' as double) as s_model,
        try_cast(record ->> '$.features[0]' as double) as feature_mom_1,
        case
            -- no arm: the intent was to hold; what stands in signals then is a forced trade
            when (record ->> '$.decision.details.chosen') is null then 0
            -- an arm, and yet no direction: a guard took it away, the strength before it is unknown
            when (record ->> '$.decision.dir') <> '0' then try_cast(record ->> '$.decision.alpha' as double)
        end as intent_strength,
        raw.emitted_at
    from {{ source('raw', 'signals') }} as raw
    where {{ near_part('raw.emitted_at') }}
),

signals as (
    select
        row_key,
        symbol,
        bar_open_at,
        has_overlay,
        -- the ensemble record holds the same score with one decimal
        round(s_model * 1e4, 1) as pred_stack_bps,
        emitted_at,
        s_model,
        feature_mom_1,
        intent_strength
    from records
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
    case when matches.decision_id is null then 'no burst of this bar and prediction ended just before' end as unattributed_reason,
    signals.emitted_at,
    -- what other records of the decision repeat, and are matched by
    signals.s_model,
    signals.feature_mom_1,
    signals.intent_strength
from signals
left join matches on signals.row_key = matches.row_key
where {{ in_part('signals.emitted_at') }}
order by emitted_at
