-- How does each bot stand at the end of the logs?
select bot, as_of_at, live_run_count, order_reject_rate_1h, round(risk_utilization_pct, 1) as risk_pct, round(funding_staleness_sec) as funding_s, last_market_update_ms
from marts.mart_health_5m
qualify row_number() over (partition by bot order by bucket_start_at desc) = 1
order by bot;

-- When did the 5m bot not reject every bar of the trailing hour?
select bucket_start_at, judged_count_1h, round(order_reject_rate_1h, 3) as order_reject_rate_1h
from marts.mart_health_5m
where bot = '5m' and order_reject_rate_1h < 1
order by bucket_start_at;

-- Which fields cannot be told, how often, and why?
select field, reason, count(*) as bucket_count
from (select unnest(map_keys(null_reasons)) as field, unnest(map_values(null_reasons)) as reason from marts.mart_health_5m) as reasons
group by field, reason
order by field, reason;
