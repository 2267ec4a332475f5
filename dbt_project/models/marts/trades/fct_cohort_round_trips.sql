-- The same ledger as the bots' own, over the tracked wallets: the only two-sided flow in the logs. Where a wallet stood
-- before its first fill is not known, so trips are from level to level, not from flat to flat, and flagged so.
with fills as (select * from {{ ref('fct_cohort_fills') }}),

parts as (select * from {{ ref('int_cohort_fill_parts') }}),

{{ lot_legs('parts') }},

realised as (
    select
        trade_id,
        sum(direction_sign * (exit_notional_usd - entry_notional_usd)) as gross_pnl_usd,
        sum(entry_notional_usd) as exited_cost_usd
    from legs
    group by trade_id
),

trades as (
    select
        trade_id,
        book_id,
        episode_no,
        direction_sign,
        arg_min(fill_id, (fill_no, part_no)) as opening_fill_id,
        min(filled_at) as opened_at,
        max(filled_at) as last_filled_at,
        count(distinct fill_id) as fill_count,
        coalesce(sum(part_qty) filter (where role = 'ENTRY'), 0) as entry_qty,
        coalesce(sum(part_qty) filter (where role = 'EXIT'), 0) as exit_qty,
        sum({{ to_units('px') }} * {{ to_units('part_qty') }}) filter (where role = 'ENTRY') as entry_units,
        sum({{ to_units('px') }} * {{ to_units('part_qty') }}) filter (where role = 'EXIT') as exit_units,
        sum(cast(px * part_qty as decimal(38, 20))) filter (where role = 'ENTRY') as entry_notional_usd,
        bool_or(is_order_ambiguous) as is_order_ambiguous
    from parts
    group by trade_id, book_id, episode_no, direction_sign
),

priced as (
    select
        trades.*,
        fills.wallet_address,
        fills.coin,
        fills.is_synthetic,
        coalesce(realised.gross_pnl_usd, 0) as gross_pnl_usd,
        trades.entry_notional_usd - coalesce(realised.exited_cost_usd, 0) as open_cost_usd,
        {{ exact_vwap('trades.entry_units', 'trades.entry_qty') }} as entry_vwap_px,
        {{ exact_vwap('trades.exit_units', 'trades.exit_qty') }} as exit_vwap_px
    from trades
    inner join fills on trades.opening_fill_id = fills.fill_id
    left join realised using (trade_id)
)

select
    trade_id,
    book_id,
    wallet_address,
    coin,
    episode_no,
    case when direction_sign > 0 then 'LONG' else 'SHORT' end as direction_raw,
    case when entry_qty = exit_qty then 'closed' else 'open' end as status,
    opened_at,
    case when entry_qty = exit_qty then last_filled_at end as closed_at,
    case when entry_qty = exit_qty then epoch_us(last_filled_at - opened_at) / 1e6 end as holding_s,
    opening_fill_id,
    fill_count,
    cast(entry_qty as decimal(28, 10)) as entry_qty,
    cast(exit_qty as decimal(28, 10)) as exit_qty,
    cast(entry_qty - exit_qty as decimal(28, 10)) as open_qty,
    cast(entry_vwap_px as decimal(28, 10)) as entry_vwap_px,
    cast(exit_vwap_px as decimal(28, 10)) as exit_vwap_px,
    cast(entry_notional_usd as decimal(38, 20)) as entry_notional_usd,
    cast(open_cost_usd as decimal(38, 20)) as open_cost_usd,
    cast(gross_pnl_usd as decimal(38, 20)) as gross_pnl_as_logged_usd,
    -- swapping all sides of a tape turns every trip around and keeps its prices
    cast(-gross_pnl_usd as decimal(38, 20)) as gross_pnl_if_inverted_usd,
    cast(null as decimal(28, 10)) as fees_usd,
    'not_logged' as fees_null_reason,
    true as has_unknown_start,
    true as is_side_doubtful,
    is_order_ambiguous,
    is_synthetic
from priced
