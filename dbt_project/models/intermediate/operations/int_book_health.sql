{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'since': 'bucket_start_at'}},
) }}
-- State of every book (bot, run, symbol) at the end of each five minutes in which its process lived. What was last known is
-- carried forward inside the run, never into another; nothing written after the five minutes is looked at.
with runs as (select * from {{ ref('dim_runs') }} where {{ in_runs() }}),

decisions as (select * from {{ ref('fct_decisions') }} where {{ in_runs(bars='bar_open_at') }}),

fills as (select * from {{ ref('fct_fills') }} where {{ in_runs(since='emitted_at') }} and filled_at is not null),

equities as (select * from {{ ref('fct_equity') }} where {{ in_runs(since='emitted_at') }}),

healths as (select * from {{ ref('stg_health') }} where {{ in_runs(since='emitted_at') }} and run_id is not null),

costs as (
    select * from {{ ref('stg_costs_breakdown') }} where {{ in_runs(since='emitted_at') }} and run_id is not null and mean_bar_volume_usd is not null
),

limits as (select * from {{ ref('int_risk_limits') }} where {{ in_runs() }}),

books as (
    select
        runs.run_id,
        decisions.bot,
        decisions.symbol,
        runs.run_kind,
        runs.is_synthetic,
        {{ five_minutes('min(runs.first_emitted_at)') }} as first_bucket_at,
        {{ five_minutes('max(runs.last_emitted_at)') }} as last_bucket_at
    from decisions
    inner join runs on decisions.run_id = runs.run_id
    group by runs.run_id, decisions.bot, decisions.symbol, runs.run_kind, runs.is_synthetic
),

buckets as (
    select run_id, bot, symbol, run_kind, is_synthetic, unnest(generate_series(first_bucket_at, last_bucket_at, interval 5 minutes)) as bucket_start_at
    from books
),

decision_steps as (
    select
        bot, run_id, symbol, bar_open_at, bar_close_at, decided_at, funding_rate,
        epoch_ms(decided_at) - epoch_ms(bar_close_at) as market_age_ms,
        epoch_ms(bar_open_at) - lag(epoch_ms(bar_close_at)) over book as bar_gap_ms,
        -- the first value of a run is an update too: the process fetched it
        funding_rate is distinct from lag(funding_rate) over book as is_funding_changed,
        row_number() over (book) as step_no
    from decisions
    window book as (partition by bot, run_id, symbol order by bar_open_at, bar_occurrence)
),

decision_buckets as (
    select
        bot, run_id, symbol, {{ five_minutes('decided_at') }} as bucket_start_at,
        max(bar_gap_ms) as bar_gap_max_ms,
        arg_max(market_age_ms, step_no) as market_age_ms,
        max(bar_close_at) as last_bar_close_at,
        max(case when funding_rate is not null and is_funding_changed then decided_at end) as funding_changed_at
    from decision_steps
    group by all
),

reconnects as (
    select
        bot, run_id, symbol, emitted_at, is_funding_stale,
        -- the counter starts at 0 with the process
        ws_reconnect_count - coalesce(lag(ws_reconnect_count) over (
            partition by bot, run_id, symbol order by emitted_at, source_file, line_no
        ), 0) as reconnect_count
    from healths
),

health_buckets as (
    select
        bot, run_id, symbol, {{ five_minutes('emitted_at') }} as bucket_start_at,
        sum(greatest(reconnect_count, 0)) as reconnect_count,
        max(case when not is_funding_stale then emitted_at end) as funding_fresh_at
    from reconnects
    group by all
),

equity_buckets as (
    select
        bot, run_id, symbol, {{ five_minutes('emitted_at') }} as bucket_start_at,
        arg_max(equity_usd, point_no) as equity_usd,
        max(peak_equity_usd) as peak_equity_usd,
        max(start_equity_usd) as start_equity_usd
    from equities
    group by all
),

fill_buckets as (
    select bot, run_id, symbol, {{ five_minutes('filled_at') }} as bucket_start_at, sum(notional_usd) as traded_usd, count(*) as fill_count
    from fills
    group by all
),

cost_buckets as (
    select
        bot, run_id, symbol, {{ five_minutes('emitted_at') }} as bucket_start_at,
        arg_max(cast(mean_bar_volume_usd as decimal(28, 10)), (emitted_at, source_file, line_no)) as mean_bar_volume_usd
    from costs
    group by all
),

joined as (
    select
        buckets.*,
        {{ date_ist('bucket_start_at') }} as date_ist,
        bar_gap_max_ms, market_age_ms, last_bar_close_at, greatest(funding_changed_at, funding_fresh_at) as funding_updated_at,
        reconnect_count, equity_usd, peak_equity_usd, start_equity_usd, traded_usd, fill_count, mean_bar_volume_usd
    from buckets
    left join decision_buckets using (bot, run_id, symbol, bucket_start_at)
    left join health_buckets using (bot, run_id, symbol, bucket_start_at)
    left join equity_buckets using (bot, run_id, symbol, bucket_start_at)
    left join fill_buckets using (bot, run_id, symbol, bucket_start_at)
    left join cost_buckets using (bot, run_id, symbol, bucket_start_at)
),

carried as (
    select
        run_id, bot, symbol, run_kind, is_synthetic, bucket_start_at, date_ist,
        coalesce(fill_count, 0) as fill_count,
        last_value(market_age_ms ignore nulls) over so_far as market_age_ms,
        max(last_bar_close_at) over so_far as last_bar_close_at,
        max(funding_updated_at) over so_far as funding_updated_at,
        last_value(equity_usd ignore nulls) over so_far as equity_usd,
        max(peak_equity_usd) over so_far as peak_equity_usd,
        max(start_equity_usd) over (partition by bot, run_id, symbol) as start_equity_usd,
        last_value(mean_bar_volume_usd ignore nulls) over so_far as mean_bar_volume_usd,
        coalesce(sum(traded_usd) over today, 0) as traded_today_usd,
        max(bar_gap_max_ms) over last_hour as bar_gap_max_ms_1h,
        sum(reconnect_count) over last_hour as reconnect_count_1h
    from joined
    window
        so_far as (partition by bot, run_id, symbol order by bucket_start_at rows between unbounded preceding and current row),
        today as (partition by bot, run_id, symbol, date_ist order by bucket_start_at rows between unbounded preceding and current row),
        last_hour as (
            partition by bot, run_id, symbol order by bucket_start_at range between interval 55 minutes preceding and current row
        )
),

-- the day's loss counts from the last equity before the day, or from the deposit when the run began that day
day_opened as (
    select *, first_value(before_usd) over (partition by bot, run_id, symbol, date_ist order by bucket_start_at) as day_open_equity_usd
    from (
        select
            *,
            coalesce(lag(equity_usd) over (partition by bot, run_id, symbol order by bucket_start_at), start_equity_usd) as before_usd
        from carried
    ) as with_before
),

limited as (
    select
        day_opened.*,
        last_value(limits.daily_stop_share ignore nulls) over so_far as daily_stop_share,
        last_value(limits.adv_hour_cap_share ignore nulls) over so_far as adv_hour_cap_share
    from day_opened
    left join limits
        on day_opened.bot = limits.bot and day_opened.run_id = limits.run_id and day_opened.symbol = limits.symbol
        and day_opened.date_ist = limits.date_ist
    window so_far as (
        partition by day_opened.bot, day_opened.run_id, day_opened.symbol
        order by bucket_start_at rows between unbounded preceding and current row
    )
)

select
    bot,
    run_id,
    symbol,
    run_kind,
    bucket_start_at,
    date_ist,
    fill_count,
    market_age_ms,
    last_bar_close_at,
    funding_updated_at,
    epoch_ms(bucket_start_at + interval 5 minutes) - epoch_ms(funding_updated_at) as funding_age_ms,
    reconnect_count_1h,
    bar_gap_max_ms_1h,
    equity_usd,
    case when equity_usd is not null then greatest(day_open_equity_usd - equity_usd, 0) end as daily_loss_usd,
    case when equity_usd is not null then {{ risk_budget('peak_equity_usd', 'daily_stop_share') }} end as daily_risk_budget_usd,
    traded_today_usd,
    {{ daily_notional_cap('mean_bar_volume_usd', 'adv_hour_cap_share') }} as daily_notional_cap_usd,
    is_synthetic
from limited
order by bucket_start_at
