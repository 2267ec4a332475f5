-- How many trades did each bot close, abandon or keep open, and what did they earn?
select bot, status, count(*) as trade_count, sum(gross_pnl_usd)::decimal(18, 4) as gross_pnl_usd, sum(fees_usd) as fees_usd,
    sum(net_pnl_usd)::decimal(18, 4) as net_pnl_usd
from marts.fct_round_trips
where run_kind = 'live_paper' and not is_forced
group by bot, status
order by bot, status;

-- Which exit reasons win, over closed organic trades opened by the canonical replica?
select exit_reason, exit_reason_confidence, count(*) as trade_count, count(*) filter (where outcome = 'win') as win_count,
    round(avg(return_bps), 2) as mean_return_bps, round(median(holding_s) / 60, 1) as median_holding_minutes
from marts.fct_round_trips
where status = 'closed' and is_canonical and not is_forced
group by exit_reason, exit_reason_confidence
order by trade_count desc, exit_reason;

-- How far did winners and losers run against us before they were closed?
select direction, outcome, count(*) as trade_count, round(avg(mae_bps), 1) as mean_mae_bps, round(avg(mfe_bps), 1) as mean_mfe_bps,
    round(avg(path_coverage_share), 2) as path_coverage_share
from marts.fct_round_trips
where status = 'closed'
group by direction, outcome
order by direction, outcome;
