{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'fills_since', 'column': "filled_at"}},
) }}
-- Fills of the tracked wallets, each once, in the order of their wallet. Staging marks as canonical as many of the identical
-- polled fills as one bot of one run saw (the exchange's trade id is not logged).
with polled as (select * from {{ ref('stg_hyperliquid_fills') }} where is_canonical and {{ in_part('filled_at', 'fills_since') }}),

fills as (
    select
        md5(concat_ws('|', event_id, wallet_address, cast(fill_ordinal as varchar))) as fill_id,
        concat_ws('|', wallet_address, coin) as book_id,
        *,
        case lower(side_raw) when 'buy' then 1 when 'sell' then -1 end as side_sign,
        coalesce(fill_px > 0 and fill_qty > 0 and lower(side_raw) in ('buy', 'sell'), false) as is_valid
    from polled
),

-- where each book stood before them
carried as (
    {%- if is_partial() %}
    select book_id, max(fill_no) as carried_fill_no, arg_max(net_flow_after_qty, fill_no) as carried_qty
    from {{ this }}
    where not ({{ in_part('filled_at', 'fills_since') }})
    group by book_id
    {%- else %}
    select cast(null as varchar) as book_id, 0 as carried_fill_no, 0 as carried_qty where false
    {%- endif %}
),

{{ positioned_fills('fills', 'carried') }}

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
order by filled_at
