{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'run_days', 'column': "bucket_start_at"}},
) }}
-- Health of a bot at the end of each five minutes in which one of its processes lived. Decisions are counted once per bar
-- (canonical replica); of figures that every book has, the worst counts: the largest loss, the oldest data, the widest gap.
with books as (select * from {{ ref('int_book_health') }} where {{ near_part('bucket_start_at', 2, 'run_days') }}),

decisions as (select * from {{ ref('fct_decisions') }} where {{ near_part('decided_at', 2, 'run_days') }} and is_canonical),

-- one-shot runs on unfinished bars speak only where no live run does
speaking as (
    select *
    from books
    qualify run_kind = 'live_paper' or not bool_or(run_kind = 'live_paper') over (partition by bot, bucket_start_at)
),

worst as (
    select
        bot, bucket_start_at, max(date_ist) as date_ist,
        count(distinct run_id) as run_count,
        count(distinct run_id) filter (where run_kind = 'live_paper') as live_run_count,
        cast(sum(fill_count) as bigint) as fill_count,
        cast(max(daily_loss_usd) as decimal(28, 10)) as daily_loss_usd,
        cast(min(daily_risk_budget_usd - daily_loss_usd) as decimal(28, 10)) as daily_risk_remaining_usd,
        max({{ ratio('daily_loss_usd', 'daily_risk_budget_usd') }}) * 100 as risk_utilization_pct,
        cast(min(daily_notional_cap_usd - traded_today_usd) as decimal(38, 20)) as daily_notional_cap_remaining_usd,
        max(funding_age_ms) / 1000.0 as funding_staleness_sec,
        cast(max(reconnect_count_1h) as bigint) as ws_reconnect_count_1h,
        max(bar_gap_max_ms_1h) as market_data_gap_max_ms_1h,
        max(market_age_ms) as last_market_update_ms,
        bool_or(is_synthetic) as is_synthetic
    from speaking
    group by bot, bucket_start_at
),

decision_buckets as (
    select
        bot,
        {{ five_minutes('decided_at') }} as bucket_start_at,
        count(*) as decision_count,
        count(*) filter (where is_blocked is not null) as judged_count,
        count(*) filter (where is_blocked) as rejected_count,
        count(*) filter (where guard_token = 'throttle_guard') as throttle_count,
        count(*) filter (where not is_complete) as incomplete_count
    from decisions
    group by all
),

joined as (
    select
        worst.*,
        coalesce(decision_count, 0) as decision_count,
        coalesce(judged_count, 0) as judged_count,
        coalesce(rejected_count, 0) as rejected_count,
        coalesce(throttle_count, 0) as throttle_count,
        coalesce(incomplete_count, 0) as incomplete_count
    from worst
    left join decision_buckets on worst.bot = decision_buckets.bot and worst.bucket_start_at = decision_buckets.bucket_start_at
),

figures as (
    select
        bot,
        bucket_start_at,
        date_ist,
        run_count,
        live_run_count,
        decision_count,
        incomplete_count,
        fill_count,
        cast(sum(decision_count) over last_hour as bigint) as decision_count_1h,
        cast(sum(judged_count) over last_hour as bigint) as judged_count_1h,
        {{ ratio('sum(rejected_count) over last_hour', 'sum(judged_count) over last_hour') }} as order_reject_rate_1h,
        case when sum(decision_count) over last_hour > 0 then cast(sum(throttle_count) over last_hour as bigint) end as throttle_events_1h,
        daily_loss_usd,
        daily_risk_remaining_usd,
        risk_utilization_pct,
        daily_notional_cap_remaining_usd,
        funding_staleness_sec,
        ws_reconnect_count_1h,
        market_data_gap_max_ms_1h,
        last_market_update_ms,
        is_synthetic
    from joined
    window last_hour as (partition by bot order by bucket_start_at range between interval 55 minutes preceding and current row)
)

select * from figures where {{ in_part('bucket_start_at', 'run_days') }}
order by bucket_start_at
