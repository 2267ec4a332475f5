{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'since': 'emitted_at'}},
) }}
-- Equity as the bots logged it, bar by bar, beside the same figure made of fills and bar closes. The position is integrated
-- from fills: the logged target falls to 0 without an order that would close it.
with equities as (select * from {{ ref('stg_pnl_equity_log') }} where {{ in_runs(since='emitted_at') }} and run_id is not null and bot is not null),

fills as (select * from {{ ref('fct_fills') }} where {{ in_runs(since='emitted_at') }} and ledger_null_reason is null),

closes as (select * from {{ ref('int_bar_closes') }} where {{ in_runs(bars='bar_open_at') }}),

runs as (select * from {{ ref('dim_runs') }}),

-- the equity record of a bar is written between the records of its fills and counts all of them
events as (
    select
        bot, run_id, symbol, bar_open_at, 1 as is_equity, emitted_at, source_file, line_no,
        decision_id, is_canonical, is_synthetic, equity_usd, pnl_total_usd,
        0 as signed_qty, 0 as cash_usd, 0 as cost_usd, 0 as unknown_costs, 0 as notional_usd, 0 as fills
    from equities
    union all
    select
        bot, run_id, symbol, bar_open_at, 0, emitted_at, source_file, line_no, null, null, null, null, null,
        case side when 'BUY' then qty else -qty end,
        case side when 'BUY' then -notional_usd else notional_usd end,
        coalesce(fee_usd + impact_usd, 0),
        case when fee_usd is null or impact_usd is null then 1 else 0 end,
        notional_usd,
        1
    from fills
),

running as (
    select
        *,
        cast(sum(signed_qty) over so_far as decimal(28, 10)) as position_qty,
        sum(cash_usd) over so_far as cash_usd_so_far,
        sum(cost_usd) over so_far as cost_usd_so_far,
        sum(unknown_costs) over so_far as unknown_costs_so_far,
        sum(notional_usd) over so_far as notional_usd_so_far,
        sum(fills) over so_far as fill_count_so_far
    from events
    window so_far as (
        partition by bot, run_id, symbol order by bar_open_at, is_equity, emitted_at, source_file, line_no
        rows between unbounded preceding and current row
    )
),

points as (
    select
        running.*,
        running.equity_usd - running.pnl_total_usd as start_equity_usd,
        closes.bar_close_px,
        runs.run_kind,
        lag(running.equity_usd) over book as previous_equity_usd,
        lag(running.bar_open_at) over book as previous_bar_open_at,
        lead(running.emitted_at) over book as next_emitted_at,
        notional_usd_so_far - coalesce(lag(notional_usd_so_far) over book, 0) as traded_usd,
        fill_count_so_far - coalesce(lag(fill_count_so_far) over book, 0) as fill_count,
        row_number() over book as point_no
    from running
    left join closes on running.decision_id = closes.decision_id
    left join runs on running.run_id = runs.run_id
    where running.is_equity = 1
    window book as (
        partition by running.bot, running.run_id, running.symbol
        order by running.bar_open_at, running.emitted_at, running.source_file, running.line_no
    )
),

peaked as (
    select
        *,
        greatest(
            first_value(start_equity_usd) over so_far, max(equity_usd) over so_far
        ) as peak_equity_usd,
        case
            when point_no = 1 then start_equity_usd
            when bar_open_at = previous_bar_open_at + {{ bar_length('bot') }} then previous_equity_usd
        end as base_equity_usd
    from points
    window so_far as (
        partition by bot, run_id, symbol order by point_no rows between unbounded preceding and current row
    )
),

recomputed as (
    select
        *,
        case
            when unknown_costs_so_far = 0 and (bar_close_px is not null or position_qty = 0)
                then cash_usd_so_far + coalesce(cast(position_qty * bar_close_px as decimal(38, 20)), 0) - cost_usd_so_far
        end as recomputed_pnl_usd
    from peaked
)

select
    source_file,
    line_no,
    decision_id,
    bot,
    run_id,
    run_kind,
    symbol,
    point_no,
    bar_open_at,
    emitted_at,
    {{ date_ist('emitted_at') }} as emitted_date_ist,
    equity_usd,
    pnl_total_usd,
    cast(start_equity_usd as decimal(28, 10)) as start_equity_usd,
    cast(coalesce(previous_equity_usd, start_equity_usd) as decimal(28, 10)) as equity_before_usd,
    cast(peak_equity_usd as decimal(28, 10)) as peak_equity_usd,
    cast(equity_usd - peak_equity_usd as decimal(28, 10)) as drawdown_usd,
    cast(equity_usd as double) / nullif(cast(peak_equity_usd as double), 0) - 1 as drawdown_share,
    case when base_equity_usd > 0 then cast(equity_usd as double) / cast(base_equity_usd as double) - 1 end as bar_return,
    case
        when base_equity_usd is null then 'bar_before_missing'
        when base_equity_usd <= 0 then 'equity_not_positive'
    end as bar_return_null_reason,
    position_qty,
    bar_close_px,
    cast(case when position_qty = 0 then 0 else abs(position_qty * bar_close_px) end as decimal(38, 20)) as exposure_usd,
    case when bar_close_px is null and position_qty <> 0 then 'bar_close_unknown' end as exposure_null_reason,
    cast(traded_usd as decimal(38, 20)) as traded_usd,
    cast(fill_count as bigint) as fill_count,
    -- of the last record of a run nobody knows how long its state lasted
    epoch_us(next_emitted_at - emitted_at) / 1e6 as held_s,
    cast(recomputed_pnl_usd as decimal(38, 20)) as recomputed_pnl_usd,
    cast(pnl_total_usd - recomputed_pnl_usd as decimal(38, 20)) as pnl_difference_usd,
    case
        when unknown_costs_so_far > 0 then 'no_costs_record'
        when recomputed_pnl_usd is null then 'bar_close_unknown'
    end as recomputed_null_reason,
    is_canonical,
    is_synthetic
from recomputed
order by emitted_at
