-- Which runs were best for their risk, and how sure is that?
select bot, left(run_id, 8) as run, return_count, round(sharpe, 2) as sharpe, round(sharpe_standard_error, 2) as standard_error,
    round(sortino, 2) as sortino, pnl_usd
from marts.mart_risk_metrics
where return_interval = 'bar' and sharpe is not null
order by sharpe desc
limit 10;

-- Which runs fell deepest, and did they recover?
select bot, left(run_id, 8) as run, round(max_drawdown_share * 100, 3) as max_drawdown_pct, drawdown_started_at, trough_at, recovered_at
from marts.mart_risk_metrics
where return_interval = 'bar'
order by max_drawdown_share, run
limit 10;

-- Why has a run no Sharpe ratio?
select bot, return_interval, sharpe_null_reason, count(*) as run_count
from marts.mart_risk_metrics
group by bot, return_interval, sharpe_null_reason
order by bot, return_interval, run_count desc;
