{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'fills_since', 'column': "hour_started_at"}},
) }}
-- Flow of the tracked wallets by hour. Sums only; sides as logged, so the sign of the net flow is as doubtful as they are.
with fills as (select * from {{ ref('fct_cohort_fills') }} where ledger_null_reason is null and {{ in_part('filled_at', 'fills_since') }}),

placed as (
    -- hours of Asia/Kolkata, half-open; they begin at minute 30 of UTC hours
    select *, date_trunc('hour', filled_at at time zone 'Asia/Kolkata') at time zone 'Asia/Kolkata' as hour_started_at
    from fills
),

summed as (
    select
        coin,
        hour_started_at,
        bool_or(is_synthetic) as is_synthetic,
        count(*) as fill_count,
        count(distinct wallet_address) as wallet_count,
        count(*) filter (where is_order_ambiguous) as ambiguous_fill_count,
        coalesce(sum(qty) filter (where lower(side_raw) = 'buy'), 0) as buy_qty,
        coalesce(sum(qty) filter (where lower(side_raw) = 'sell'), 0) as sell_qty,
        coalesce(sum(notional_usd) filter (where lower(side_raw) = 'buy'), 0) as buy_notional_usd,
        coalesce(sum(notional_usd) filter (where lower(side_raw) = 'sell'), 0) as sell_notional_usd,
        sum(qty) as total_qty,
        sum({{ to_units('price') }} * {{ to_units('qty') }}) as notional_units,
        min(price) as low_px,
        max(price) as high_px
    from placed
    group by coin, hour_started_at
)

select
    coin,
    hour_started_at,
    hour_started_at + interval 1 hour as hour_ended_at,
    {{ date_ist('hour_started_at') }} as date_ist,
    fill_count,
    wallet_count,
    ambiguous_fill_count,
    cast(buy_qty as decimal(28, 10)) as buy_raw_qty,
    cast(sell_qty as decimal(28, 10)) as sell_raw_qty,
    cast(buy_qty - sell_qty as decimal(28, 10)) as net_flow_raw_qty,
    cast(buy_notional_usd as decimal(38, 20)) as buy_raw_usd,
    cast(sell_notional_usd as decimal(38, 20)) as sell_raw_usd,
    cast(buy_qty - sell_qty as double) / nullif(cast(total_qty as double), 0) as imbalance_raw_share,
    cast({{ exact_vwap('notional_units', 'total_qty') }} as decimal(28, 10)) as vwap_px,
    low_px,
    high_px,
    true as is_side_doubtful,
    is_synthetic
from summed
order by hour_started_at
