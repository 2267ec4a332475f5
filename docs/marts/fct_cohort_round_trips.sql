-- What would the wallets have earned, under the sides as logged and under swapped sides?
select status, count(*) as trip_count, sum(gross_pnl_as_logged_usd)::decimal(18, 2) as as_logged_usd,
    sum(gross_pnl_if_inverted_usd)::decimal(18, 2) as if_inverted_usd
from marts.fct_cohort_round_trips
group by status
order by status;

-- How long do the wallets hold?
select direction_raw, count(*) as trip_count, round(median(holding_s) / 60, 1) as median_minutes, sum(fill_count) as fill_count
from marts.fct_cohort_round_trips
where status = 'closed'
group by direction_raw
order by direction_raw;

-- Which trips moved the most quantity, and can their order be trusted?
select left(wallet_address, 10) as wallet, opened_at, direction_raw, status, entry_qty, exit_qty, is_order_ambiguous
from marts.fct_cohort_round_trips
order by entry_qty desc, wallet
limit 10;
