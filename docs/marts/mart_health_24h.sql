-- What was each day like, at its worst?
select bot, date_ist, decision_count, fill_count, round(order_reject_rate_1h_max, 3) as reject_max, daily_loss_usd_max, round(risk_utilization_pct_max, 1) as risk_pct_max
from marts.mart_health_24h
order by bot, date_ist;

-- How much of each day was the bot alive, and in how many processes?
select bot, date_ist, round(alive_bucket_count / 288, 3) as alive_share, run_count_max
from marts.mart_health_24h
order by bot, date_ist;

-- How long did funding go without news, at worst?
select bot, date_ist, round(funding_staleness_sec_max / 3600, 2) as funding_hours
from marts.mart_health_24h
order by bot, date_ist;
