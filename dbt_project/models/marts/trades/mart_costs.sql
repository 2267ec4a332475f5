-- What executions cost beside what the bot's cost models say, by size and by how wide the market was. The cumulative
-- "attribution" in the costs stream is not here: it adds fees and impact to the result instead of taking them off.
with days as (select * from {{ ref('int_cost_days') }}),

summed as (
    select
        bot, symbol, population, is_canonical, size_bucket, spread_bucket, bar_range_bucket,
        cast(sum(fill_count) as bigint) as fill_count,
        cast(sum(bar_count) as bigint) as bar_count,
        cast(sum(costed_fill_count) as bigint) as costed_fill_count,
        cast(sum(slippage_fill_count) as bigint) as slippage_fill_count,
        sum(qty) as qty,
        sum(notional_usd) as notional_usd,
        sum(costed_notional_usd) as costed_notional_usd,
        sum(slippage_notional_usd) as slippage_notional_usd,
        sum(fee_usd) as fee_usd,
        sum(fee_model_usd) as fee_model_usd,
        sum(slippage_usd) as slippage_usd,
        sum(impact_usd) as impact_usd,
        sum(impact_model_usd) as impact_model_usd,
        bool_or(is_synthetic) as is_synthetic
    from days
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
