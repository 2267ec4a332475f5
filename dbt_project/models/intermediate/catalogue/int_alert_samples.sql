-- What alert rules look at, every five minutes in which a bot lived: as it stood at the end of the five minutes.
with fives as (select * from {{ ref('mart_health_5m') }}),

points as (
    select
        *,
        {{ five_minutes('emitted_at') }} as bucket_start_at,
        first_value(equity_usd) over (
            partition by bot, run_id, symbol, emitted_date_ist order by point_no
        ) as day_open_equity_usd
    from {{ ref('fct_equity') }}
    where run_kind = 'live_paper'
),

trips as (
    select bot, {{ five_minutes('closed_at') }} as bucket_start_at, count(*) as same_bar_trade_count
    from {{ ref('fct_round_trips') }}
    where status = 'closed' and run_kind = 'live_paper'
        and time_bucket({{ bar_length('bot') }}, closed_at) = time_bucket({{ bar_length('bot') }}, opened_at)
    group by bot, {{ five_minutes('closed_at') }}
),

-- the worst of the books
books as (
    select
        bot,
        bucket_start_at,
        min(drawdown_share) as drawdown_share,
        min(case when day_open_equity_usd > 0 then {{ ratio('equity_usd', 'day_open_equity_usd') }} - 1 end) as day_return,
        count(*) as point_count
    from points
    group by bot, bucket_start_at
),

traded as (
    select
        *,
        max(case when fill_count > 0 then bucket_end_at end) over so_far as last_fill_at,
        min(bucket_start_at) over so_far as day_alive_since_at
    from fives
    window so_far as (partition by bot, date_ist order by bucket_start_at rows between unbounded preceding and current row)
),

measured as (
    select
        traded.bot,
        traded.bucket_end_at as sampled_at,
        traded.date_ist,
        traded.is_synthetic,
        unnest([
            {'signal': 'drawdown_share', 'value': books.drawdown_share, 'n': books.point_count},
            {'signal': 'day_return', 'value': books.day_return, 'n': books.point_count},
            {'signal': 'same_bar_trade_count', 'value': trips.same_bar_trade_count::double, 'n': trips.same_bar_trade_count},
            {
                'signal': 'minutes_without_fill',
                'value': epoch(traded.bucket_end_at - coalesce(traded.last_fill_at, traded.day_alive_since_at)) / 60,
                'n': 1
            },
            {'signal': 'order_reject_rate_1h', 'value': traded.order_reject_rate_1h, 'n': traded.judged_count_1h},
            {'signal': 'throttle_events_1h', 'value': traded.throttle_events_1h::double, 'n': 1},
            {'signal': 'risk_utilization_pct', 'value': traded.risk_utilization_pct, 'n': 1},
            {'signal': 'funding_staleness_sec', 'value': traded.funding_staleness_sec, 'n': 1},
            {'signal': 'ws_reconnect_count_1h', 'value': traded.ws_reconnect_count_1h::double, 'n': 1},
            {'signal': 'market_data_gap_max_ms_1h', 'value': traded.market_data_gap_max_ms_1h::double, 'n': 1}
        ], recursive := true)
    from traded
    left join books on traded.bot = books.bot and traded.bucket_start_at = books.bucket_start_at
    left join trips on traded.bot = trips.bot and traded.bucket_start_at = trips.bucket_start_at
)

select
    'health_5m' as sample_source,
    signal,
    'bot' as dimension,
    bot as dimension_value,
    sampled_at,
    date_ist,
    value,
    case when value is not null then n else 0 end as n,
    cast(null as varchar) as metric_uri,
    is_synthetic
from measured
where value is not null
union all
-- a metric of a day is known when the day is over
select
    'metric_day' as sample_source,
    metric_id as signal,
    dimension,
    dimension_value,
    (cast(day_ist as timestamp) + interval 1 day) at time zone 'Asia/Kolkata' as sampled_at,
    day_ist as date_ist,
    value,
    n,
    metric_uri,
    is_synthetic
from {{ ref('metric_values') }}
where grain = 'day' and source_system = 'metastacker' and value is not null
