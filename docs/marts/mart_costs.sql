-- What does a trade cost by size: paid fee, measured slippage and modelled impact?
select bot, size_bucket, sum(fill_count) as fill_count, round(sum(fee_usd) / sum(notional_usd) * 1e4, 2) as fee_bps,
    round(sum(slippage_usd) / sum(notional_usd) * 1e4, 2) as slippage_bps, round(sum(impact_logged_usd) / sum(notional_usd) * 1e4, 2) as impact_model_bps
from marts.mart_costs
where is_canonical and population = 'organic' and incomplete_reason is null
group by bot, size_bucket
order by bot, min(notional_usd / fill_count);

-- Do costs depend on how wide the bar was?
select bar_range_bucket, sum(fill_count) as fill_count, round(sum(slippage_usd) / sum(notional_usd) * 1e4, 3) as slippage_bps
from marts.mart_costs
where is_canonical and incomplete_reason is null
group by bar_range_bucket
order by bar_range_bucket;

-- Do the logged costs follow the bot's own models, up to rounding to cents?
select bot, sum(fill_count) as fill_count, sum(fee_difference_usd) as fee_difference_usd, sum(impact_difference_usd) as impact_difference_usd
from marts.mart_costs
group by bot
order by bot;
