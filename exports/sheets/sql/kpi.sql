select
    bot, run_id, symbol, date_ist, close_equity_usd, pnl_usd, day_return, max_drawdown_share, turnover_bps_day, fees_usd, sharpe_bar,
    sharpe_bar_null_reason
from marts.mart_equity_daily
where date_ist >= $first and date_ist < $end
order by date_ist, bot, run_id, symbol
