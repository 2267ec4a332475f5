-- What did each bot execute, at what cost, without the forced validation trades and once per bar?
select bot, side, count(*) as fill_count, sum(notional_usd)::decimal(18, 2) as notional_usd, sum(fee_usd) as fee_usd,
    round(avg(slippage_bps), 3) as slippage_bps
from marts.fct_fills
where is_canonical and not is_forced
group by bot, side
order by bot, side;

-- How did the position of the busiest book develop over its first fills?
select fill_no, filled_at, side, qty, price, position_before_qty, position_after_qty, is_entry, is_exit
from marts.fct_fills
where book_id = (select book_id from marts.fct_fills group by book_id order by count(*) desc, book_id limit 1)
order by fill_no
limit 10;

-- Does every fill have both of its costs records and a calibration that was known at the time?
select bot, count(*) as fill_count, count(attribution_match_method) as with_attribution, count(breakdown_match_method) as with_breakdown,
    count(pred_cal_bps_at_entry) as with_calibration
from marts.fct_fills
group by bot
order by bot;
