-- realized_pnl_usd adds up what each run realised, before costs, with the exits matched as in fct_round_trip_legs.
with realized as (
    select exit_fill_id as fill_id, sum(gross_pnl_usd) as gross_pnl_usd from marts.fct_round_trip_legs group by exit_fill_id
),
fills as (
    select
        f.*,
        sum(coalesce(r.gross_pnl_usd, 0)) over (
            partition by f.bot, f.run_id, f.symbol order by f.fill_no rows between unbounded preceding and current row
        ) as realized_pnl_usd
    from marts.fct_fills as f
    left join realized as r using (fill_id)
)

select
    fill_id, filled_at, bot, run_id, symbol, side, qty, price, notional_usd, fee_usd, impact_usd, position_after_qty as paper_qty,
    realized_pnl_usd, is_forced, is_canonical
from fills
where filled_date_ist >= $first and filled_date_ist < $end
order by filled_at, fill_id
