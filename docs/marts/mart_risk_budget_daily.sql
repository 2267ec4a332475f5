-- Which books came closest to their daily stop?
select bot, left(run_id, 8) as run, date_ist, worst_daily_loss_usd, daily_risk_budget_usd, round(worst_risk_utilization_pct, 1) as used_pct, is_daily_stop_reached
from marts.mart_risk_budget_daily
order by worst_risk_utilization_pct desc nulls last, bot, run_id, date_ist;

-- What is left of budget and cap at the end of each day, for the book that is worst off?
select date_ist, bot, min(daily_risk_remaining_usd) as risk_remaining_usd, round(min(daily_notional_cap_remaining_usd)) as cap_remaining_usd
from marts.mart_risk_budget_daily
group by date_ist, bot
order by date_ist, bot;

-- How many book days reached the stop, and of how many is the budget unknown?
select bot, count(*) as book_days, count(*) filter (where is_daily_stop_reached) as stop_days, count(risk_null_reason) as unknown_days
from marts.mart_risk_budget_daily
group by bot
order by bot;
