{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
-- The price path a bot saw. Closes are logged on health bars only; from there on the one-bar return of each next decision
-- (mom_1 = close / previous close - 1) carries the price, as long as bar follows bar in the same run.
with decisions as (select * from {{ ref('int_decisions') }} where {{ in_runs(bars='bar_open_at') }}),

ingests as (
    select decision_id, bar_close_px from {{ ref('stg_market_ingest_log') }} where {{ in_runs(bars='bar_open_at') }} and decision_id is not null and bar_close_px > 0
),

bars as (
    select
        decisions.decision_id,
        decisions.run_id,
        decisions.bot,
        decisions.symbol,
        decisions.bar_open_at,
        decisions.bar_close_at,
        decisions.bar_occurrence,
        decisions.feature_mom_1,
        decisions.first_seen_at >= decisions.bar_close_at as is_bar_over,
        ingests.bar_close_px as logged_close_px,
        lag(decisions.bar_open_at) over book as previous_bar_open_at
    from decisions
    left join ingests using (decision_id)
    window book as (
        partition by decisions.run_id, decisions.bot, decisions.symbol
        order by decisions.bar_open_at, decisions.bar_occurrence
    )
),

linked as (
    select
        *,
        coalesce(
            logged_close_px is null and feature_mom_1 > -1 and bar_open_at = previous_bar_open_at + {{ bar_length('bot') }}, false
        ) as is_carried
    from bars
),

segments as (
    select
        *,
        sum(case when is_carried then 0 else 1 end) over (
            partition by run_id, bot, symbol order by bar_open_at, bar_occurrence
            rows between unbounded preceding and current row
        ) as segment_no
    from linked
),

-- logarithms are summed as DECIMAL: the sum does not depend on the order in which threads add
carried as (
    select
        *,
        first_value(logged_close_px) over segment_order as anchor_px,
        sum(case when is_carried then cast(ln(1 + feature_mom_1) as decimal(38, 18)) else 0 end) over segment_order as log_return
    from segments
    window segment_order as (
        partition by run_id, bot, symbol, segment_no order by bar_open_at, bar_occurrence
        rows between unbounded preceding and current row
    )
)

select
    decision_id,
    run_id,
    bot,
    symbol,
    bar_open_at,
    bar_close_at,
    bar_occurrence,
    case
        when is_carried then cast(round(cast(anchor_px as double) * exp(cast(log_return as double)), 6) as decimal(28, 10))
        else logged_close_px
    end as bar_close_px,
    case
        when logged_close_px is not null then 'logged'
        when is_carried and anchor_px is not null then 'carried_by_returns'
    end as bar_close_method,
    is_bar_over
from carried
order by bar_open_at
