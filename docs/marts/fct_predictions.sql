-- How many predictions have a label, by bot and horizon, and why do the others have none?
select bot, horizon_bars, coalesce(realized_return_null_reason, 'labelled') as label_status, count(*) as prediction_count
from marts.fct_predictions
where is_in_population
group by bot, horizon_bars, label_status
order by bot, horizon_bars, label_status;

-- What followed the ten strongest scores of the 5m bot?
select bar_open_at, pred_raw_bps, strategy_direction, realized_return_bps, label_ended_at
from marts.fct_predictions
where is_scored and bot = '5m' and horizon_bars = 1
order by abs(pred_raw_bps) desc, bar_open_at
limit 10;

-- How often does each class come, and how much probability did the model give it?
select
    bot,
    realized_class,
    count(*) as prediction_count,
    round(avg(case realized_class when 'down' then p_down_prob when 'neutral' then p_neutral_prob else p_up_prob end), 4) as mean_prob
from marts.fct_predictions
where is_scored and horizon_bars = 1
group by bot, realized_class
order by bot, realized_class;
