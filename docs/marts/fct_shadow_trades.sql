-- How many blocked decisions have a verdict, and why do the others have none?
select bot, horizon_bars, verdict, unresolved_reason, count(*) as shadow_count
from marts.fct_shadow_trades
where is_canonical and run_kind = 'live_paper'
group by all
order by bot, horizon_bars, verdict, unresolved_reason;

-- How much of the verdicts is the cost model, whose impact outweighs most moves?
select bot, verdict_before_costs, verdict, count(*) as shadow_count, round(avg(gross_bps), 1) as gross_bps, round(avg(cf_net_bps), 1) as net_bps
from marts.fct_shadow_trades
where is_canonical and run_kind = 'live_paper' and is_headline_horizon and verdict <> 'unresolved'
group by all
order by bot, verdict_before_costs, verdict;

-- Which blocked trades would have made most?
select bot, side, side_method, bar_open_at, veto_guard_primary, horizon_bars, cf_net_bps
from marts.fct_shadow_trades
where is_canonical and verdict = 'bad'
order by cf_net_bps desc, decision_id, horizon_bars
limit 10;
