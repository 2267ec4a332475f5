-- Fills of the tracked wallets, each once, in the order of their wallet. Staging marks as canonical as many of the identical
-- polled fills as one bot of one run saw (the exchange's trade id is not logged).
with polled as (select * from {{ ref('stg_hyperliquid_fills') }} where is_canonical),

fills as (
    select
        md5(concat_ws('|', event_id, wallet_address, cast(fill_ordinal as varchar))) as fill_id,
        concat_ws('|', wallet_address, coin) as book_id,
        *,
        case lower(side_raw) when 'buy' then 1 when 'sell' then -1 end as side_sign,
        coalesce(fill_px > 0 and fill_qty > 0 and lower(side_raw) in ('buy', 'sell'), false) as is_valid
    from polled
),

{{ positioned_fills('fills') }}

select
    fill_id,
    book_id,
    wallet_address,
    coin,
    side_raw,
    filled_at,
    emitted_at as polled_at,
    {{ date_ist('filled_at') }} as filled_date_ist,
    fill_no,
    is_order_ambiguous,
    fill_qty as qty,
    fill_px as price,
    fill_px * fill_qty as notional_usd,
    position_before_qty as net_flow_before_qty,
    position_after_qty as net_flow_after_qty,
    true as has_unknown_start,
    true as is_side_doubtful,
    case when not is_valid then 'side, price or quantity is missing or not positive' end as ledger_null_reason,
    event_id,
    fill_ordinal,
    source_file,
    line_no,
    is_synthetic
from positioned
