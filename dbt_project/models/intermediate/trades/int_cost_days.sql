{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'record_days', 'column': 'bar_date_ist'}},
) }}
-- Fills of the bars of each IST day and what they cost, by size and by how wide the market was: all that adds up over days.
-- Cut by the day of the bar, as a bar must not be counted on two days; a fill whose bar is unknown counts where it was logged.
with fills as (
    select *, coalesce(bar_open_at, emitted_at) as counted_at
    from {{ ref('fct_fills') }}
    where ledger_null_reason is null and {{ in_part('coalesce(bar_open_at, emitted_at)', 'record_days') }}
),

records as (select decision_id, bar_range_bps from {{ ref('int_decision_records') }} where {{ in_part('bar_open_at', 'record_days') }}),

ingests as (
    select decision_id, spread_bps
    from {{ ref('stg_market_ingest_log') }}
    where decision_id is not null and {{ in_part('bar_open_at', 'record_days') }}
),

buckets as (select * from {{ ref('cost_buckets') }}),

described as (
    select
        fills.*,
        case
            when fills.run_kind = 'offline_smoke' then 'offline_smoke'
            when fills.is_forced then 'forced'
            when fills.is_forced is null then 'unknown'
            else 'organic'
        end as population,
        ingests.spread_bps,
        records.bar_range_bps,
        cast(cast(fills.notional_usd as decimal(28, 10)) * cast(fills.fee_bps as decimal(10, 6)) * 0.0001 as decimal(38, 12)) as fee_model_usd,
        cast(fills.impact_k * cast(fills.qty as double) * cast(fills.notional_usd as double) as decimal(38, 12)) as impact_model_usd
    from fills
    left join records on fills.decision_id = records.decision_id
    left join ingests on fills.decision_id = ingests.decision_id
),

classed as (
    select
        described.*,
        size_classes.bucket as size_bucket,
        coalesce(spread_classes.bucket, 'not logged') as spread_bucket,
        coalesce(range_classes.bucket, 'not logged') as bar_range_bucket
    from described
    left join buckets as size_classes
        on size_classes.dimension = 'size_usd' and described.notional_usd >= size_classes.from_value
        and (size_classes.to_value is null or described.notional_usd < size_classes.to_value)
    left join buckets as spread_classes
        on spread_classes.dimension = 'spread_bps' and described.spread_bps >= spread_classes.from_value
        and (spread_classes.to_value is null or described.spread_bps < spread_classes.to_value)
    left join buckets as range_classes
        on range_classes.dimension = 'bar_range_bps' and described.bar_range_bps >= range_classes.from_value
        and (range_classes.to_value is null or described.bar_range_bps < range_classes.to_value)
)

select
    bot,
    symbol,
    population,
    is_canonical,
    size_bucket,
    spread_bucket,
    bar_range_bucket,
    {{ date_ist('counted_at') }} as bar_date_ist,
    count(*) as fill_count,
    count(distinct bar_open_at) as bar_count,
    count(fee_usd) as costed_fill_count,
    count(slippage_usd) as slippage_fill_count,
    sum(qty) as qty,
    sum(notional_usd) as notional_usd,
    sum(notional_usd) filter (where fee_usd is not null) as costed_notional_usd,
    sum(notional_usd) filter (where slippage_usd is not null) as slippage_notional_usd,
    sum(fee_usd) as fee_usd,
    sum(fee_model_usd) as fee_model_usd,
    sum(slippage_usd) as slippage_usd,
    sum(impact_usd) as impact_usd,
    sum(impact_model_usd) as impact_model_usd,
    bool_or(is_synthetic) as is_synthetic
from classed
group by all
order by bar_date_ist
