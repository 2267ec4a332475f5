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

{# What a book may lose before the bot stops for the day: a share of its highest equity so far, rounded at 1e-10: with round,
   which takes a third of the time of a cast to fewer decimals and gives the same. #}
{% macro risk_budget(peak_equity_usd, daily_stop_share) -%}
    cast(round(cast({{ peak_equity_usd }} as decimal(28, 10)) * {{ daily_stop_share }}, 10) as decimal(28, 10))
{%- endmacro %}

{# What a book may trade in a day: the bot's cap per hour (a share of the mean turnover of a bar) times 24. The bot has no
   cap per day of its own. #}
{% macro daily_notional_cap(mean_bar_volume_usd, adv_hour_cap_share) -%}
    cast(round(
        cast({{ mean_bar_volume_usd }} as decimal(28, 10)) * cast({{ adv_hour_cap_share }} * 24 as decimal(9, 6)), 10
    ) as decimal(28, 10))
{%- endmacro %}

{# Health of the bots by bucket: each figure as it stood after the last five minutes of the bucket in which the bot lived, and
   the worst it was in the bucket. `bucket` is the SQL of the bucket's start, `length` its length as an interval. #}
{% macro health_buckets(bucket, length) -%}
with fives as (
    select *, {{ bucket }} as health_bucket_at from {{ ref('int_bot_health') }} where {{ in_part('bucket_start_at', 'run_days') }}
),

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

{# Result of every live book in every session: P&L from the last equity before the session (or the deposit) to the last in it,
   and the deepest fall below the highest equity of the session, that base included. A fall is a share of something above zero:
   there is none while that highest equity is not. `session` is the SQL of the session's start for an instant. #}
{% macro equity_by_session(session) -%}
    select
        bot,
        run_id,
        symbol,
        session_start_at,
        arg_max(equity_usd, point_no) - arg_min(before_usd, point_no) as pnl_usd,
        min(case when session_peak_usd > 0 then {{ ratio('equity_usd', 'session_peak_usd') }} end) - 1 as max_drawdown_share
    from (
        select
            *,
            greatest(
                max(equity_usd) over so_far, first_value(before_usd) over so_far
            ) as session_peak_usd
        from (
            select
                bot, run_id, symbol, point_no, equity_usd,
                {{ session }} as session_start_at,
                equity_before_usd as before_usd
            from {{ ref('fct_equity') }}
            where run_kind = 'live_paper' and {{ in_part('emitted_at', 'run_days') }}
        ) as points
        window so_far as (
            partition by bot, run_id, symbol, session_start_at order by point_no rows between unbounded preceding and current row
        )
    ) as peaked
    group by bot, run_id, symbol, session_start_at
{%- endmacro %}

{# The final select list of a session mart, from additive figures, rejections and drawdown of the session. #}
{% macro session_columns(length, id_format) -%}
    bot,
    strftime(session_start_at at time zone 'Asia/Kolkata', '{{ id_format }}') as session_id,
    session_start_at,
    session_start_at + {{ length }} as session_end_at,
    session_start_at at time zone 'Asia/Kolkata' as session_start_ts_ist,
    (session_start_at + {{ length }}) at time zone 'Asia/Kolkata' as session_end_ts_ist,
    date_ist,
    alive_bucket_count * 300 / epoch({{ length }}) as alive_share,
    run_count,
    live_run_count,
    decision_count as total_decisions,
    decision_row_count,
    intent_count as total_intents,
    trade_count as total_trades,
    forced_trade_count,
    fill_count,
    rejection_count as total_rejections,
    unknown_count,
    {{ ratio('rejection_count', 'decision_count - unknown_count') }} as rejection_rate,
    coalesce(rejection_breakdown, '{}') as rejection_breakdown,
    intent_row_count as seed_total_trades,
    coalesce(seed_rejection_breakdown, '{}') as seed_rejection_breakdown,
    cast(null as double) as avg_spread_bps,
    {{ ratio('bar_range_bps_sum', 'bar_range_bps_count') }} as avg_bar_range_bps,
    bar_range_bps_count,
    {{ ratio('liquidity_score_sum', 'liquidity_score_count') }} as avg_liquidity_score,
    liquidity_score_count,
    {{ ratio('rv_1h_sum', 'rv_1h_count') }} as avg_rv_1h,
    rv_1h_count,
    pnl_usd as total_pnl_usd,
    pnl_book_count,
    max_drawdown_share as max_dd_session,
    closed_trade_count,
    judged_trade_count,
    won_trade_count,
    {{ ratio('won_trade_count', 'judged_trade_count') }} as trade_win_rate,
    {{ null_reason_map({
        'rejection_rate': "case when decision_count = unknown_count then case when decision_count > 0 then 'record_lost' else 'no_decision_in_session' end end",
        'avg_spread_bps': "'not_logged'",
        'avg_bar_range_bps': "case when bar_range_bps_count = 0 then 'no_value_in_session' end",
        'avg_liquidity_score': "case when liquidity_score_count = 0 then 'no_value_in_session' end",
        'avg_rv_1h': "case when rv_1h_count = 0 then 'no_value_in_session' end",
        'total_pnl_usd': "case when pnl_usd is null then 'no_live_equity_in_session' end",
        'max_dd_session': "case when max_drawdown_share is null then case when pnl_book_count > 0 then 'equity_not_positive' else 'no_live_equity_in_session' end end",
        'trade_win_rate': "case when judged_trade_count = 0 then 'no_organic_trade_closed' end",
    }) }} as null_reasons,
    is_synthetic
{%- endmacro %}

{# Sharpe ratio from the exact sums of n returns, annualised; NULL below the minimum n or without variation. #}
{% macro sharpe_of_sums(n, total, squares, periods_per_year) -%}
    case
        when {{ n }} >= {{ var('risk_min_returns') }} and cast({{ squares }} as double) * {{ n }} - cast({{ total }} as double) * cast({{ total }} as double) > 1e-9
            then cast({{ total }} as double) / {{ n }}
                / sqrt((cast({{ squares }} as double) - cast({{ total }} as double) * cast({{ total }} as double) / {{ n }}) / ({{ n }} - 1))
                * sqrt({{ periods_per_year }})
    end
{%- endmacro %}

{# One figure of a record beside the warehouse's own, as a struct; flags become 0 and 1. `is_defaulted`: staging may
   have taken the logged value for the source's default and made it NULL; what was logged then is 0. #}
{% macro compared_metric(metric, logged, recomputed, reason, is_defaulted=false) -%}
    {
        'metric': '{{ metric }}',
        'logged_value': cast({{ "case when logged.null_reasons['" ~ metric ~ "'] = 'source_default' then 0 else " ~ logged ~ " end" if is_defaulted else logged }} as double),
        'recomputed_value': cast({{ recomputed }} as double),
        'recomputed_null_reason': {{ reason }}
    }
{%- endmacro %}
