{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "split_part(book_id, '|', 2)"}},
) }}
-- Worst and best price and result of each trade between its fills, on the closes its bot saw. Fills and closes of a book are
-- walked in one order; a close at the instant of a fill comes before it, so trades see closes in (open, close].
with books as (select * from {{ ref('int_trade_books') }} where {{ in_runs() }}),

parts as (select * from {{ ref('int_fill_parts') }} where {{ in_runs("split_part(book_id, '|', 2)") }}),

closes as (select * from {{ ref('int_bar_closes') }} where {{ in_runs(bars='bar_open_at') }}),

events as (
    select
        book_id,
        filled_at as happened_at,
        1 as is_fill,
        fill_no,
        part_no,
        trade_id,
        episode_no,
        direction_sign,
        case role when 'ENTRY' then direction_sign else -direction_sign end * part_qty as signed_qty,
        px
    from parts
    union all
    select
        books.book_id, closes.bar_close_at, 0, 0, closes.bar_occurrence, null, 0, null, 0, closes.bar_close_px
    from closes
    inner join books using (bot, run_id, symbol)
    -- the price of a bar that was not over when it was logged is not its close
    where closes.bar_close_px is not null and closes.is_bar_over
),

placed as (
    select
        *,
        max(episode_no) over (
            partition by book_id order by happened_at, is_fill, fill_no, part_no
            rows between unbounded preceding and current row
        ) as in_episode_no
    from events
),

walked as (
    select
        *,
        first_value(trade_id) over episode_order as in_trade_id,
        first_value(direction_sign) over episode_order as in_direction_sign,
        sum(signed_qty) over episode_order as held_qty,
        sum(cast(-signed_qty * px as decimal(38, 20))) over episode_order as cash_usd
    from placed
    where in_episode_no > 0
    window episode_order as (
        partition by book_id, in_episode_no order by happened_at, is_fill, fill_no, part_no
        rows between unbounded preceding and current row
    )
),

seen as (
    select *, cash_usd + cast(cast(held_qty as decimal(28, 10)) * px as decimal(38, 20)) as running_pnl_usd
    from walked
    where is_fill = 1 or held_qty <> 0
),

marked as (
    select
        in_trade_id as trade_id,
        book_id,
        in_direction_sign as direction_sign,
        count(*) filter (where is_fill = 0) as path_bar_count,
        max(happened_at) filter (where is_fill = 0) as last_close_at,
        arg_max(px, (happened_at, part_no)) filter (where is_fill = 0) as last_close_px,
        min(px) as lowest_px,
        max(px) as highest_px,
        least(min(running_pnl_usd), 0) as lowest_pnl_usd,
        greatest(max(running_pnl_usd), 0) as highest_pnl_usd
    from seen
    group by all
)

select
    trade_id,
    book_id,
    path_bar_count,
    last_close_at,
    last_close_px,
    case when direction_sign > 0 then lowest_px else highest_px end as worst_px,
    case when direction_sign > 0 then highest_px else lowest_px end as best_px,
    cast(lowest_pnl_usd as decimal(38, 20)) as mae_usd,
    cast(highest_pnl_usd as decimal(38, 20)) as mfe_usd
from marked
