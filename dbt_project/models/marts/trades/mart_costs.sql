-- What executions cost beside what the bot's cost models say, by size and by how wide the market was. The cumulative
-- "attribution" in the costs stream is not here: it adds fees and impact to the result instead of taking them off.
with fills as (select * from {{ ref('fct_fills') }} where ledger_null_reason is null),

records as (select decision_id, bar_range_bps from {{ ref('int_decision_records') }}),

ingests as (select decision_id, spread_bps from {{ ref('stg_market_ingest_log') }} where decision_id is not null),

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
),

summed as (
    select
        bot, symbol, population, is_canonical, size_bucket, spread_bucket, bar_range_bucket,
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
    group by bot, symbol, population, is_canonical, size_bucket, spread_bucket, bar_range_bucket
)

select
    bot,
    symbol,
    population,
    is_canonical,
    size_bucket,
    spread_bucket,
    bar_range_bucket,
    fill_count,
    bar_count,
    costed_fill_count,
    slippage_fill_count,
    cast(qty as decimal(28, 10)) as qty,
    cast(notional_usd as decimal(38, 20)) as notional_usd,
    cast(fee_usd as decimal(28, 10)) as fee_usd,
    cast(fee_model_usd as decimal(28, 10)) as fee_model_usd,
    cast(fee_usd - fee_model_usd as decimal(28, 10)) as fee_difference_usd,
    cast(fee_usd as double) / nullif(cast(costed_notional_usd as double), 0) * 1e4 as fee_paid_bps,
    cast(slippage_usd as decimal(28, 10)) as slippage_usd,
    cast(slippage_usd as double) / nullif(cast(slippage_notional_usd as double), 0) * 1e4 as slippage_bps,
    cast(impact_usd as decimal(28, 10)) as impact_logged_usd,
    cast(impact_model_usd as decimal(28, 10)) as impact_recomputed_usd,
    cast(impact_usd - impact_model_usd as decimal(28, 10)) as impact_difference_usd,
    cast(impact_usd as double) / nullif(cast(costed_notional_usd as double), 0) * 1e4 as impact_logged_bps,
    case
        when costed_fill_count < fill_count then 'no_costs_record'
        when slippage_fill_count < fill_count then 'bar_close_unknown'
    end as incomplete_reason,
    is_synthetic
from summed
