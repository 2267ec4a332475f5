-- In which twenty hours was most of the daily risk budget used?
select bot, bucket_start_at, daily_loss_usd_max, daily_risk_remaining_usd_min, round(risk_utilization_pct_max, 1) as used_pct
from marts.mart_health_1h
order by risk_utilization_pct_max desc nulls last, bot, bucket_start_at
limit 20;

-- In which hours did the throttle guard act?
select bot, bucket_start_at, throttle_events_1h_max, decision_count
from marts.mart_health_1h
where throttle_events_1h_max > 0
order by bot, bucket_start_at;

-- Were bars skipped in an hour?
select bot, count(*) as hour_count, count(market_data_gap_max_ms_1h_max) as judged_hours, max(market_data_gap_max_ms_1h_max) as widest_gap_ms
from marts.mart_health_1h
group by bot
order by bot;
