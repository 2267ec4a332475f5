-- How often does each bot win?
select mode, total_trades, wins, losses, breakevens, win_rate
from marts.v_win_rate_by_mode
order by mode;

-- What does it make?
select mode, total_pnl_usd, avg_return_bps
from marts.v_win_rate_by_mode
order by mode;

-- Which share of trades is neither won nor lost, or not known?
select mode, breakeven_share, without_result
from marts.v_win_rate_by_mode
order by mode;
