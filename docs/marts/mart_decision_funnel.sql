-- Why was nothing traded? The funnel per bot over canonical bars.
select
    bot, sum(evaluation_count) as evaluated, sum(eligible_count) as eligible, sum(intent_count) as intents,
    sum(organic_order_count) as organic_orders, sum(organic_fill_count) as organic_fills, sum(forced_fill_count) as forced_fills
from marts.mart_decision_funnel
where population = 'canonical'
group by bot
order by bot;

-- What is the true reason of the rejections, and what would the audit have said?
select bot, decided_date_ist, rejection_count_by_reason, seed_rejection_count_by_flag
from marts.mart_decision_funnel
where population = 'all_replicas'
order by bot, decided_date_ist;

-- How much do the replicas inflate the picture?
select bot, population, sum(evaluation_count) as evaluated, sum(organic_fill_count) as organic_fills, sum(forced_fill_count) as forced_fills
from marts.mart_decision_funnel
group by bot, population
order by bot, population;
