-- Which days are not complete, and why?
select date_ist, bot, incomplete_reason, expected_count, missing_count, damaged_file_count
from marts.mart_day_completeness
where not is_complete_day
order by date_ist, bot;

-- How many days of each bot are complete?
select bot, count(*) as day_count, count(*) filter (where is_complete_day) as complete_day_count,
    max(date_ist) filter (where is_complete_day) as newest_complete_day
from marts.mart_day_completeness
group by bot
order by bot;

-- What did the bots do on complete days only?
select days.bot, days.date_ist, funnel.evaluation_count, funnel.eligible_count, funnel.rejection_count
from marts.mart_day_completeness as days
inner join marts.mart_decision_funnel as funnel on funnel.bot = days.bot and funnel.decided_date_ist = days.date_ist
where days.is_complete_day and funnel.population = 'canonical'
order by days.date_ist, days.bot;
