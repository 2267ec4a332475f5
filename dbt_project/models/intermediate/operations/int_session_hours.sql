{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'run_days', 'column': "session_start_at"}},
) }}
-- What can be added up of each bot's hour in Asia/Kolkata: counts, and sums with their n. An hour is a row when a process of
-- the bot lived in it, so an hour without a row says "not running", not zero.
with books as (select * from {{ ref('int_book_health') }} where {{ near_part('bucket_start_at', 2, 'run_days') }}),

decisions as (select * from {{ ref('fct_decisions') }} where {{ near_part('decided_at', 2, 'run_days') }}),

signals as (select decision_id, feature_rv_1h from {{ ref('stg_signals') }} where {{ near_part('emitted_at', 3, 'run_days') }} and decision_id is not null),

fills as (select * from {{ ref('fct_fills') }} where {{ near_part('filled_at', 2, 'run_days') }}),

trips as (select * from {{ ref('fct_round_trips') }} where {{ near_part('closed_at', 2, 'run_days') }} and status = 'closed'),

hours as (
    select
        bot,
        {{ hour_ist('bucket_start_at') }} as session_start_at,
        count(distinct bucket_start_at) as alive_bucket_count,
        count(distinct run_id) as run_count,
        count(distinct run_id) filter (where run_kind = 'live_paper') as live_run_count,
        bool_or(is_synthetic) as is_synthetic
    from books
    group by all
),

decided as (
    select
        bot,
        {{ hour_ist('decided_at') }} as session_start_at,
        count(*) as decision_row_count,
        count(*) filter (where is_canonical) as decision_count,
        count(*) filter (where is_canonical and intent_side <> 'HOLD') as intent_count,
        count(*) filter (where intent_side <> 'HOLD') as intent_row_count,
        count(*) filter (where is_canonical and execution_count > 0) as trade_count,
        count(*) filter (where is_canonical and execution_count > 0 and is_forced) as forced_trade_count,
        count(*) filter (where is_canonical and is_blocked) as rejection_count,
        count(*) filter (where is_canonical and is_blocked is null) as unknown_count,
        {{ exact_sum('case when is_canonical then bar_range_bps end') }} as bar_range_bps_sum,
        count(case when is_canonical then bar_range_bps end) as bar_range_bps_count,
        {{ exact_sum('case when is_canonical then liquidity_score end') }} as liquidity_score_sum,
        count(case when is_canonical then liquidity_score end) as liquidity_score_count,
        {{ exact_sum('case when is_canonical then feature_rv_1h end') }} as rv_1h_sum,
        count(case when is_canonical then feature_rv_1h end) as rv_1h_count
    from decisions
    left join signals using (decision_id)
    group by all
),

filled as (
    select bot, {{ hour_ist('filled_at') }} as session_start_at, count(*) as fill_count
    from fills
    group by all
),

closed as (
    select
        bot,
        {{ hour_ist('closed_at') }} as session_start_at,
        count(*) as closed_trade_count,
        -- whether a trade won is told of organic trades of the canonical replica only
        count(*) filter (where is_canonical and not is_forced and outcome is not null) as judged_trade_count,
        count(*) filter (where is_canonical and not is_forced and outcome = 'win') as won_trade_count
    from trips
    group by all
),

equities as ({{ equity_by_session(hour_ist('emitted_at')) }}),

earned as (
    select
        bot,
        session_start_at,
        count(*) as pnl_book_count,
        sum(pnl_usd) as pnl_usd,
        min(max_drawdown_share) as max_drawdown_share
    from equities
    group by all
),

joined as (
    select *
    from hours
    full outer join decided using (bot, session_start_at)
    full outer join filled using (bot, session_start_at)
    full outer join closed using (bot, session_start_at)
    full outer join earned using (bot, session_start_at)
)

select
    bot,
    session_start_at,
    {{ date_ist('session_start_at') }} as date_ist,
    coalesce(alive_bucket_count, 0) as alive_bucket_count,
    coalesce(run_count, 0) as run_count,
    coalesce(live_run_count, 0) as live_run_count,
    coalesce(decision_row_count, 0) as decision_row_count,
    coalesce(decision_count, 0) as decision_count,
    coalesce(intent_count, 0) as intent_count,
    coalesce(intent_row_count, 0) as intent_row_count,
    coalesce(trade_count, 0) as trade_count,
    coalesce(forced_trade_count, 0) as forced_trade_count,
    coalesce(rejection_count, 0) as rejection_count,
    coalesce(unknown_count, 0) as unknown_count,
    bar_range_bps_sum,
    coalesce(bar_range_bps_count, 0) as bar_range_bps_count,
    liquidity_score_sum,
    coalesce(liquidity_score_count, 0) as liquidity_score_count,
    rv_1h_sum,
    coalesce(rv_1h_count, 0) as rv_1h_count,
    coalesce(fill_count, 0) as fill_count,
    coalesce(closed_trade_count, 0) as closed_trade_count,
    coalesce(judged_trade_count, 0) as judged_trade_count,
    coalesce(won_trade_count, 0) as won_trade_count,
    coalesce(pnl_book_count, 0) as pnl_book_count,
    cast(pnl_usd as decimal(28, 10)) as pnl_usd,
    max_drawdown_share,
    is_synthetic
from joined
where {{ in_part('session_start_at', 'run_days') }}
order by session_start_at
