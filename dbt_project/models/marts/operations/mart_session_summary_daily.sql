{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    post_hook="{{ refresh_complete_days('date_ist') }}",
    meta={'part': {'kind': 'run_days', 'column': "session_start_at"}},
) }}
-- The sum of the hours; only what does not add up (runs, drawdown) is looked at anew for the day.
with hours as (select * from {{ ref('int_session_hours') }} where {{ in_part('session_start_at', 'run_days') }}),

rejections as (select * from {{ ref('int_session_rejections') }} where {{ in_part('session_start_at', 'run_days') }}),

books as (select * from {{ ref('int_book_health') }} where {{ in_part('bucket_start_at', 'run_days') }}),

added as (
    select
        bot,
        {{ day_ist('session_start_at') }} as session_start_at,
        max(date_ist) as date_ist,
        cast(sum(alive_bucket_count) as bigint) as alive_bucket_count,
        cast(sum(decision_row_count) as bigint) as decision_row_count,
        cast(sum(decision_count) as bigint) as decision_count,
        cast(sum(intent_count) as bigint) as intent_count,
        cast(sum(intent_row_count) as bigint) as intent_row_count,
        cast(sum(trade_count) as bigint) as trade_count,
        cast(sum(forced_trade_count) as bigint) as forced_trade_count,
        cast(sum(rejection_count) as bigint) as rejection_count,
        cast(sum(unknown_count) as bigint) as unknown_count,
        sum(bar_range_bps_sum) as bar_range_bps_sum,
        cast(sum(bar_range_bps_count) as bigint) as bar_range_bps_count,
        sum(liquidity_score_sum) as liquidity_score_sum,
        cast(sum(liquidity_score_count) as bigint) as liquidity_score_count,
        sum(rv_1h_sum) as rv_1h_sum,
        cast(sum(rv_1h_count) as bigint) as rv_1h_count,
        cast(sum(fill_count) as bigint) as fill_count,
        cast(sum(closed_trade_count) as bigint) as closed_trade_count,
        cast(sum(judged_trade_count) as bigint) as judged_trade_count,
        cast(sum(won_trade_count) as bigint) as won_trade_count,
        cast(sum(pnl_usd) as decimal(28, 10)) as pnl_usd,
        bool_or(is_synthetic) as is_synthetic
    from hours
    group by all
),

runs as (
    select
        bot,
        {{ day_ist('bucket_start_at') }} as session_start_at,
        count(distinct run_id) as run_count,
        count(distinct run_id) filter (where run_kind = 'live_paper') as live_run_count
    from books
    group by all
),

equities as ({{ equity_by_session(day_ist('emitted_at')) }}),

fallen as (
    select bot, session_start_at, count(*) as pnl_book_count, min(max_drawdown_share) as max_drawdown_share
    from equities
    group by bot, session_start_at
),

reasons as (
    select reading, bot, {{ day_ist('session_start_at') }} as session_start_at, reason, cast(sum(rejection_count) as bigint) as rejection_count
    from rejections
    group by all
),

breakdowns as (
    select
        bot,
        session_start_at,
        to_json(map_from_entries(
            list({'key': reason, 'value': rejection_count} order by reason) filter (where reading = 'primary')
        )) as rejection_breakdown,
        to_json(map_from_entries(
            list({'key': reason, 'value': rejection_count} order by reason) filter (where reading = 'seed')
        )) as seed_rejection_breakdown
    from reasons
    group by bot, session_start_at
),

joined as (
    select
        added.*,
        coalesce(run_count, 0) as run_count,
        coalesce(live_run_count, 0) as live_run_count,
        coalesce(pnl_book_count, 0) as pnl_book_count,
        max_drawdown_share,
        rejection_breakdown,
        seed_rejection_breakdown
    from added
    left join runs on added.bot = runs.bot and added.session_start_at = runs.session_start_at
    left join fallen on added.bot = fallen.bot and added.session_start_at = fallen.session_start_at
    left join breakdowns on added.bot = breakdowns.bot and added.session_start_at = breakdowns.session_start_at
)

select
    {{ session_columns('interval 24 hours', '%Y%m%d') }},
    {{ is_complete_day('joined.bot', 'joined.date_ist') }} as is_complete_day
from joined
order by session_start_at
