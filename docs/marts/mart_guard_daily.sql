-- How did the pass rate of the confidence gate move from day to day, with its 95 % interval?
select bot, decided_date_ist, judged_count, pass_rate, pass_rate_low, pass_rate_high
from marts.mart_guard_daily
where guard = 'confidence' and population = 'canonical' and run_kind = 'live_paper'
order by bot, decided_date_ist;

-- Which guards were outside their target on which day?
select decided_date_ist, bot, guard, pass_rate, target_min_share, target_max_share
from marts.mart_guard_daily
where population = 'canonical' and not is_within_target
order by decided_date_ist, bot, guard;

-- Which guards did the logs never let us judge?
select guard, sum(evaluation_count) as evaluation_count, sum(unknown_count) as unknown_count
from marts.mart_guard_daily
where population = 'canonical'
group by guard
having sum(judged_count) = 0
order by guard;
