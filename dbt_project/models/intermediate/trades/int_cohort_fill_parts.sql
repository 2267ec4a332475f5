-- The tracked wallets' fills cut at the level they were first seen at. What they paid in fees is not logged.
with cohort_fills as (select * from {{ ref('fct_cohort_fills') }}),

fills as (
    select
        fill_id,
        book_id,
        fill_no,
        filled_at,
        polled_at as emitted_at,
        price as fill_px,
        qty as fill_qty,
        case lower(side_raw) when 'buy' then 1 when 'sell' then -1 end as side_sign,
        ledger_null_reason is null as is_valid,
        cast(null as decimal(28, 10)) as fee_usd,
        cast(null as decimal(28, 10)) as impact_usd,
        cast(null as decimal(28, 10)) as slippage_usd,
        net_flow_before_qty as position_before_qty,
        net_flow_after_qty as position_after_qty,
        is_order_ambiguous
    from cohort_fills
),

{{ fill_parts('fills') }}

select * from parts
