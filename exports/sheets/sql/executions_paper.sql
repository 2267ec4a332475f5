-- The bot books at its average price: what enlarges a position moves the average, what reduces it realises against it, and fee and
-- modelled impact of each fill are taken off at once. Trades of the marts match first in, first out; so this is worked out anew here.
with recursive chosen_books as (
    select distinct book_id from marts.fct_fills where filled_date_ist >= $first and filled_date_ist < $end
),
fills as (
    select
        f.*,
        row_number() over (partition by f.book_id order by f.fill_no) as step,
        f.position_after_qty::double - f.position_before_qty::double as moved_qty,
        -- the logs round fee and impact to cents; rate and coefficient give them as the bot took them
        coalesce(f.notional_usd::double * f.fee_bps / 1e4, f.fee_usd::double) as exact_fee_usd,
        coalesce(f.impact_k * f.qty::double * f.qty::double * f.price::double, f.impact_usd::double) as exact_impact_usd
    from marts.fct_fills as f
    inner join chosen_books using (book_id)
),
books as (
    select book_id, 0::bigint as step, 0.0::double as position_qty, 0.0::double as avg_px, 0.0::double as gross_usd, 0.0::double as costs_usd
    from chosen_books
    union all
    select
        b.book_id, f.step, f.position_after_qty::double,
        case
            when abs(f.position_after_qty::double) < 1e-12 then 0.0
            when b.position_qty * f.moved_qty >= 0
                then (b.position_qty * b.avg_px + f.moved_qty * f.price::double) / f.position_after_qty::double
            when b.position_qty * f.position_after_qty::double < 0 then f.price::double
            else b.avg_px
        end,
        b.gross_usd + case
            when b.position_qty * f.moved_qty < 0
                then sign(b.position_qty) * least(abs(b.position_qty), abs(f.moved_qty)) * (f.price::double - b.avg_px)
            else 0.0
        end,
        b.costs_usd + f.exact_fee_usd + f.exact_impact_usd
    from books as b
    inner join fills as f on b.book_id = f.book_id and f.step = b.step + 1
),
points as (
    select decision_id, arg_max(equity_usd, point_no) as equity_usd from marts.fct_equity group by decision_id
)

select
    f.fill_id, f.bar_open_at, f.filled_at, f.bot, f.run_id, f.symbol, f.side, f.qty, f.decision_px as mid_px, f.price, f.notional_usd,
    d.target_position_fraction, f.position_after_qty as paper_qty, nullif(b.avg_px, 0) as avg_px,
    case
        when abs(f.position_after_qty::double) < 1e-12 then 'position_is_flat' when b.step is null then 'fill_not_in_the_ledger'
    end as avg_px_null_reason,
    b.gross_usd - b.costs_usd as realized_pnl_usd, f.costs_null_reason as realized_pnl_null_reason, f.fee_usd, f.impact_usd, p.equity_usd,
    f.is_forced, f.is_canonical
from fills as f
left join books as b using (book_id, step)
left join marts.fct_decisions as d using (decision_id)
left join points as p using (decision_id)
where f.filled_date_ist >= $first and f.filled_date_ist < $end
order by f.filled_at, f.fill_id
