select
    emitted_at, bar_open_at, bot, run_id, symbol, bar_close_px, position_qty, equity_usd, pnl_total_usd, drawdown_share, is_canonical
from marts.fct_equity
where emitted_date_ist >= $first and emitted_date_ist < $end
order by emitted_at, bot, run_id, symbol, point_no
