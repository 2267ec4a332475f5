-- What was realised on each day (Asia/Kolkata)?
select bot, closed_date_ist, count(*) as leg_count, sum(qty) as qty, sum(net_pnl_usd)::decimal(18, 4) as net_pnl_usd
from marts.fct_round_trip_legs
group by bot, closed_date_ist
order by bot, closed_date_ist;

-- Which entries and exits make up the trade with the most legs?
select leg_no, opened_at, closed_at, qty, gross_pnl_usd::decimal(18, 6) as gross_pnl_usd, fees_usd, exit_reason
from marts.fct_round_trip_legs
where trade_id = (select trade_id from marts.fct_round_trip_legs group by trade_id order by count(*) desc, trade_id limit 1)
order by leg_no;

-- Do the legs of closed trades add up to their trades?
select count(*) as trade_count, count(*) filter (where legs.net_pnl_usd = trips.net_pnl_usd) as equal_count
from marts.fct_round_trips as trips
inner join (
    select trade_id, sum(net_pnl_usd) as net_pnl_usd from marts.fct_round_trip_legs group by trade_id
) as legs using (trade_id)
where trips.status = 'closed';
