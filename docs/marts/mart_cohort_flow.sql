-- In which hours did the wallets trade most?
select coin, hour_started_at, fill_count, wallet_count, net_flow_raw_qty, round(imbalance_raw_share, 3) as imbalance_raw_share, vwap_px
from marts.mart_cohort_flow
order by fill_count desc, hour_started_at
limit 10;

-- How lopsided was each day, up to the doubtful sign?
select coin, date_ist, sum(fill_count) as fill_count, sum(net_flow_raw_qty) as net_flow_raw_qty,
    round(abs(sum(net_flow_raw_qty)) / sum(buy_raw_qty + sell_raw_qty), 3) as imbalance_share
from marts.mart_cohort_flow
group by coin, date_ist
order by coin, date_ist;

-- Which share of fills has an ambiguous order, hour by hour?
select coin, hour_started_at, fill_count, round(ambiguous_fill_count / fill_count, 3) as ambiguous_share
from marts.mart_cohort_flow
order by ambiguous_share desc, hour_started_at
limit 10;
