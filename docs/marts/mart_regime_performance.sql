-- In which regime does trading pay, over all days?
select source_system, subject, regime, sum(n) as trades, sum(win_rate * judged_count) / sum(judged_count) as win_rate
from marts.mart_regime_performance
where basis = 'trades'
group by source_system, subject, regime
order by source_system, subject, regime;

-- Which days were worst by mean return?
select date_ist, subject, regime, n, win_rate, mean_return_bps
from marts.mart_regime_performance
where basis = 'trades' and n >= 5
order by mean_return_bps, date_ist, subject
limit 10;

-- What do trainings say of each regime?
select date_ist, subject, regime, n, auc_score, win_rate, mean_confidence_prob
from marts.mart_regime_performance
where basis = 'training'
order by date_ist, regime;
