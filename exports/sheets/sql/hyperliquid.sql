select fill_id, filled_at, polled_at, coin, wallet_address, side_raw, qty, price, notional_usd, is_side_doubtful
from marts.fct_cohort_fills
where filled_date_ist >= $first and filled_date_ist < $end
order by filled_at, fill_id
