{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "split_part(book_id, '|', 2)"}},
) }}
-- What each exit closed. A late fill moves all later legs of its book, so the books of a run are built whole or left alone.
with books as (select * from {{ ref('int_trade_books') }} where {{ in_runs() }}),

parts as (select * from {{ ref('int_fill_parts') }} where {{ in_runs("split_part(book_id, '|', 2)") }}),

reasons as (select * from {{ ref('int_exit_reasons') }} where {{ in_runs("split_part(book_id, '|', 2)") }}),

{{ lot_legs('parts') }},

priced as (
    select
        legs.*,
        books.bot,
        books.run_id,
        books.symbol,
        direction_sign * (exit_notional_usd - entry_notional_usd) as gross_pnl_usd,
        entry_fee_usd + exit_fee_usd as fees_usd
    from legs
    inner join books using (book_id)
)

select
    priced.trade_id,
    priced.leg_no,
    priced.book_id,
    priced.bot,
    priced.run_id,
    priced.symbol,
    priced.entry_fill_id,
    priced.exit_fill_id,
    priced.opened_at,
    priced.closed_at,
    {{ date_ist('priced.closed_at') }} as closed_date_ist,
    {{ date_utc('priced.closed_at') }} as closed_date_utc,
    priced.qty,
    priced.entry_notional_usd,
    priced.exit_notional_usd,
    cast(priced.gross_pnl_usd as decimal(38, 20)) as gross_pnl_usd,
    cast(priced.entry_fee_usd as decimal(28, 10)) as entry_fee_usd,
    cast(priced.exit_fee_usd as decimal(28, 10)) as exit_fee_usd,
    cast(priced.fees_usd as decimal(28, 10)) as fees_usd,
    cast(priced.gross_pnl_usd - priced.fees_usd as decimal(38, 20)) as net_pnl_usd,
    case when priced.fees_usd is null then 'no_costs_record' end as net_pnl_null_reason,
    reasons.exit_reason,
    reasons.exit_reason_rule,
    reasons.exit_reason_confidence
from priced
left join reasons on priced.trade_id = reasons.trade_id and priced.exit_fill_id = reasons.fill_id
order by opened_at
