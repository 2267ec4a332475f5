-- Do winners begin with more confidence?
select t.outcome, count(*) as trade_count, round(avg(f.confidence), 4) as confidence
from marts.trades as t inner join marts.trade_features as f using (trade_id)
where t.is_in_statistics
group by all
order by t.outcome;

-- On what market are trades opened?
select t.regime, count(*) as trade_count, round(avg(f.volatility_1h), 5) as volatility_1h, round(avg(f.liquidity_score), 3) as liquidity_score
from marts.trades as t inner join marts.trade_features as f using (trade_id)
group by all
order by t.regime;

-- For how many trades is it not known?
select null_columns_reason, count(*) as trade_count
from marts.trade_features
group by all
order by null_columns_reason;
