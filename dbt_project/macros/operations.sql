{# Start of the five minutes an instant lies in; five minutes, hours and days of Asia/Kolkata are all made of them. #}
{% macro five_minutes(instant) -%}
    time_bucket(interval 5 minutes, {{ instant }})
{%- endmacro %}

{# Start of the hour of Asia/Kolkata an instant lies in (half past, in UTC). #}
{% macro hour_ist(instant) -%}
    (date_trunc('hour', {{ instant }} at time zone 'Asia/Kolkata') at time zone 'Asia/Kolkata')
{%- endmacro %}

{# Start of the day of Asia/Kolkata an instant lies in. #}
{% macro day_ist(instant) -%}
    (date_trunc('day', {{ instant }} at time zone 'Asia/Kolkata') at time zone 'Asia/Kolkata')
{%- endmacro %}

{# What a book may lose before the bot stops for the day: a share of its highest equity so far, rounded at 1e-10. #}
{% macro risk_budget(peak_equity_usd, daily_stop_share) -%}
    cast(cast({{ peak_equity_usd }} as decimal(28, 10)) * {{ daily_stop_share }} as decimal(28, 10))
{%- endmacro %}

{# What a book may trade in a day: the bot's cap per hour (a share of the mean turnover of a bar) times 24. The bot has no
   cap per day of its own. #}
{% macro daily_notional_cap(mean_bar_volume_usd, adv_hour_cap_share) -%}
    cast(cast({{ mean_bar_volume_usd }} as decimal(28, 10)) * cast({{ adv_hour_cap_share }} * 24 as decimal(9, 6)) as decimal(28, 10))
{%- endmacro %}

{# Health of the bots by bucket: each figure as it stood after the last five minutes of the bucket in which the bot lived, and
   the worst it was in the bucket. `bucket` is the SQL of the bucket's start, `length` its length as an interval. #}
{% macro health_buckets(bucket, length) -%}
with fives as (select *, {{ bucket }} as health_bucket_at from {{ ref('int_bot_health') }}),

last_fives as (
    select *
    from fives
    qualify row_number() over (partition by bot, health_bucket_at order by bucket_start_at desc) = 1
),

worst as (
    select
        bot,
        health_bucket_at,
        count(*) as alive_bucket_count,
        max(run_count) as run_count_max,
        cast(sum(decision_count) as bigint) as decision_count,
        cast(sum(incomplete_count) as bigint) as incomplete_decision_count,
        cast(sum(fill_count) as bigint) as fill_count,
        max(order_reject_rate_1h) as order_reject_rate_1h_max,
        max(throttle_events_1h) as throttle_events_1h_max,
        max(daily_loss_usd) as daily_loss_usd_max,
        min(daily_risk_remaining_usd) as daily_risk_remaining_usd_min,
        min(daily_notional_cap_remaining_usd) as daily_notional_cap_remaining_usd_min,
        max(risk_utilization_pct) as risk_utilization_pct_max,
        max(funding_staleness_sec) as funding_staleness_sec_max,
        max(ws_reconnect_count_1h) as ws_reconnect_count_1h_max,
        max(market_data_gap_max_ms_1h) as market_data_gap_max_ms_1h_max,
        max(last_market_update_ms) as last_market_update_ms_max
    from fives
    group by bot, health_bucket_at
),

reasoned as (
    select
        *,
        {{ null_reason_map({
            'error_rate_15m': "'no_error_stream'",
            'order_reject_rate_1h': "case when order_reject_rate_1h is null then case when decision_count_1h > 0 then 'record_lost' else 'no_decision_in_window' end end",
            'throttle_events_1h': "case when throttle_events_1h is null then 'no_decision_in_window' end",
            'daily_loss_usd': "case when daily_loss_usd is null then 'no_equity_record_yet' end",
            'daily_risk_remaining_usd': "case when daily_risk_remaining_usd is null then case when daily_loss_usd is null then 'no_equity_record_yet' else 'no_limit_in_force' end end",
            'risk_utilization_pct': "case when risk_utilization_pct is null then case when daily_loss_usd is null then 'no_equity_record_yet' else 'no_limit_in_force' end end",
            'daily_notional_cap_remaining_usd': "case when daily_notional_cap_remaining_usd is null then 'no_costs_record_yet' end",
            'funding_staleness_sec': "case when funding_staleness_sec is null then 'no_funding_seen_yet' end",
            'ws_reconnect_count_1h': "case when ws_reconnect_count_1h is null then 'no_health_record_in_window' end",
            'ws_staleness_ms': "'not_logged'",
            'market_data_gap_max_ms_1h': "case when market_data_gap_max_ms_1h is null then 'no_consecutive_bars_in_window' end",
            'last_market_update_ms': "case when last_market_update_ms is null then 'no_decision_yet' end",
        }) }} as null_reasons
    from last_fives
)

select
    reasoned.bot,
    reasoned.health_bucket_at as bucket_start_at,
    reasoned.health_bucket_at + {{ length }} as bucket_end_at,
    reasoned.date_ist,
    reasoned.bucket_start_at + interval 5 minutes as as_of_at,
    worst.alive_bucket_count,
    reasoned.run_count,
    reasoned.live_run_count,
    worst.run_count_max,
    worst.decision_count,
    worst.incomplete_decision_count,
    worst.fill_count,
    cast(null as double) as error_rate_15m,
    reasoned.order_reject_rate_1h,
    reasoned.judged_count_1h,
    worst.order_reject_rate_1h_max,
    reasoned.throttle_events_1h,
    worst.throttle_events_1h_max,
    reasoned.daily_loss_usd,
    worst.daily_loss_usd_max,
    reasoned.daily_risk_remaining_usd,
    worst.daily_risk_remaining_usd_min,
    reasoned.risk_utilization_pct,
    worst.risk_utilization_pct_max,
    reasoned.daily_notional_cap_remaining_usd,
    worst.daily_notional_cap_remaining_usd_min,
    reasoned.funding_staleness_sec,
    worst.funding_staleness_sec_max,
    reasoned.ws_reconnect_count_1h,
    worst.ws_reconnect_count_1h_max,
    cast(null as double) as ws_staleness_ms,
    reasoned.market_data_gap_max_ms_1h,
    worst.market_data_gap_max_ms_1h_max,
    reasoned.last_market_update_ms,
    worst.last_market_update_ms_max,
    reasoned.null_reasons,
    reasoned.is_synthetic
from reasoned
inner join worst on reasoned.bot = worst.bot and reasoned.health_bucket_at = worst.health_bucket_at
{%- endmacro %}
