{{ config(
    materialized='incremental', incremental_strategy='entity', unique_key='book_id', on_schema_change='fail',
    meta={'entities': 'int_trade_books'},
) }}
-- What each exit closed. A late fill moves all later legs of its book, so a book is built whole or left alone.
with books as (select * from {{ ref('int_trade_books') }}),

all_parts as (select * from {{ ref('int_fill_parts') }}),

reasons as (select * from {{ ref('int_exit_reasons') }}),

books_with_exits as (select * from books where exit_count > 0),

changed as ({{ changed_entities('books_with_exits', 'book_id') }}),

parts as (select all_parts.* from all_parts inner join changed using (book_id)),

{{ lot_legs('parts') }},

priced as (
    select
        legs.*,
        changed.fingerprint,
        books.bot,
        books.run_id,
        books.symbol,
        direction_sign * (exit_notional_usd - entry_notional_usd) as gross_pnl_usd,
        entry_fee_usd + exit_fee_usd as fees_usd
    from legs
    inner join changed using (book_id)
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
    reasons.exit_reason_confidence,
    priced.fingerprint
from priced
left join reasons on priced.trade_id = reasons.trade_id and priced.exit_fill_id = reasons.fill_id
