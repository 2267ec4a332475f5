-- In which regime does the bot win?
select regime, total_trades, win_rate
from marts.v_win_rate_by_regime
order by regime;

-- In which does it earn?
select regime, total_pnl_usd, avg_return_bps
from marts.v_win_rate_by_regime
order by total_pnl_usd desc, regime;

-- How many trades of a regime are break-even?
select regime, breakevens, breakeven_share
from marts.v_win_rate_by_regime
order by regime;
