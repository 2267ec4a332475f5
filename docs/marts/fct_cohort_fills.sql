-- Which wallets trade most, and how often is the order of their fills ambiguous?
select left(wallet_address, 10) as wallet, count(*) as fill_count, sum(notional_usd)::decimal(18, 0) as notional_usd,
    count(*) filter (where is_order_ambiguous) as ambiguous_count
from marts.fct_cohort_fills
group by wallet_address
order by fill_count desc, wallet
limit 10;

-- How long after the exchange does a bot see a wallet's fill?
select round(quantile_cont(epoch(polled_at - filled_at), 0.5) / 60, 1) as median_minutes,
    round(max(epoch(polled_at - filled_at)) / 3600, 1) as longest_hours
from marts.fct_cohort_fills;

-- Where does the net flow seen so far stand for each wallet?
select left(wallet_address, 10) as wallet, coin, arg_max(net_flow_after_qty, fill_no) as net_flow_qty, max(filled_at) as last_filled_at
from marts.fct_cohort_fills
group by wallet_address, coin
order by abs(net_flow_qty) desc, wallet
limit 10;
