{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    post_hook="{{ refresh_complete_days('date_ist') }}",
    meta={'part': {'kind': 'runs', 'column': "run_id"}},
) }}
-- Equity by day (Asia/Kolkata, by emission) inside each run. A day without a record carries the last one on; runs are never
-- bridged, as equity starts anew with each of them.
with points as (select * from {{ ref('fct_equity') }} where {{ in_runs(since='emitted_at') }}),

fills as (select * from {{ ref('fct_fills') }} where {{ in_runs(since='emitted_at') }} and ledger_null_reason is null),

books as (
    select
        bot, run_id, symbol,
        min(emitted_date_ist) as first_date,
        max(emitted_date_ist) as last_date,
        arg_min(start_equity_usd, point_no) as start_equity_usd,
        min(run_kind) as run_kind,
        bool_or(is_synthetic) as is_synthetic
    from points
    group by bot, run_id, symbol
),

days as (
    select bot, run_id, symbol, start_equity_usd, run_kind, is_synthetic, cast(day as date) as date_ist
    from books
    cross join lateral unnest(generate_series(cast(first_date as timestamp), cast(last_date as timestamp), interval 1 day)) as series (day)
),

observed as (
    select
        bot, run_id, symbol,
        emitted_date_ist as date_ist,
        count(*) as point_count,
        count(*) filter (where is_canonical) as canonical_point_count,
        arg_max(equity_usd, point_no) as close_equity_usd,
        sum(equity_usd) as summed_equity_usd,
        min(drawdown_share) as max_drawdown_share,
        -- time is counted in microseconds and money in cents: exact sums, whatever the order
        sum(cast(round(held_s * 1e6) as hugeint)) as observed_us,
        sum(cast(round(held_s * 1e6) as hugeint)) filter (where position_qty <> 0) as in_market_us,
        sum(cast(round(held_s * 1e6) as hugeint) * cast(round(exposure_usd * 100) as hugeint)) as exposure_us,
        sum(cast(round(held_s * 1e6) as hugeint) * cast(round(equity_usd * 100) as hugeint))
            filter (where exposure_usd is not null) as equity_us
    from points
    group by bot, run_id, symbol, emitted_date_ist
),

traded as (
    select
        bot, run_id, symbol,
        {{ date_ist('emitted_at') }} as date_ist,
        count(*) as fill_count,
        count(*) filter (where is_forced) as forced_fill_count,
        sum(notional_usd) as traded_usd,
        case when count(fee_usd) = count(*) then sum(fee_usd) end as fees_usd,
        case when count(impact_usd) = count(*) then sum(impact_usd) end as impact_usd
    from fills
    group by all
),

returns as (
    select bot, run_id, symbol, emitted_date_ist as date_ist, bar_return as period_return from points
),

{{ return_moments('returns', ['bot', 'run_id', 'symbol', 'date_ist']) }},

carried as (
    select
        days.*,
        observed.* exclude (bot, run_id, symbol, date_ist, close_equity_usd),
        observed.close_equity_usd is null as is_carried_forward,
        last_value(observed.close_equity_usd ignore nulls) over (
            partition by days.bot, days.run_id, days.symbol order by days.date_ist
            rows between unbounded preceding and current row
        ) as close_equity_usd
    from days
    left join observed
        on days.bot = observed.bot and days.run_id = observed.run_id and days.symbol = observed.symbol
        and days.date_ist = observed.date_ist
),

based as (
    select
        *,
        coalesce(cast(summed_equity_usd as double) / point_count, cast(close_equity_usd as double)) as mean_equity_usd,
        coalesce(
            lag(close_equity_usd) over (partition by bot, run_id, symbol order by date_ist), start_equity_usd
        ) as open_equity_usd
    from carried
)

select
    based.bot,
    based.run_id,
    based.run_kind,
    based.symbol,
    based.date_ist,
    based.is_carried_forward,
    coalesce(based.point_count, 0) as point_count,
    coalesce(based.canonical_point_count, 0) as canonical_point_count,
    cast(based.open_equity_usd as decimal(28, 10)) as open_equity_usd,
    cast(based.close_equity_usd as decimal(28, 10)) as close_equity_usd,
    cast(based.close_equity_usd - based.open_equity_usd as decimal(28, 10)) as pnl_usd,
    case
        when based.open_equity_usd > 0 then cast(based.close_equity_usd as double) / cast(based.open_equity_usd as double) - 1
    end as day_return,
    case when based.open_equity_usd <= 0 then 'equity_not_positive' end as day_return_null_reason,
    based.max_drawdown_share,
    coalesce(traded.fill_count, 0) as fill_count,
    coalesce(traded.forced_fill_count, 0) as forced_fill_count,
    cast(coalesce(traded.traded_usd, 0) as decimal(38, 20)) as traded_usd,
    cast(case when traded.fill_count is null then 0 else traded.fees_usd end as decimal(28, 10)) as fees_usd,
    cast(case when traded.fill_count is null then 0 else traded.impact_usd end as decimal(28, 10)) as impact_usd,
    case
        when based.mean_equity_usd > 0 then cast(coalesce(traded.traded_usd, 0) as double) / based.mean_equity_usd * 1e4
    end as turnover_bps_day,
    cast(coalesce(based.in_market_us, 0) as double) / nullif(cast(based.observed_us as double), 0) as time_in_market_share,
    case when based.equity_us > 0 then cast(based.exposure_us as double) / cast(based.equity_us as double) end as exposure_share,
    coalesce(moments.return_count, 0) as bar_return_count,
    {{ annualised_ratio('moments.return_count', 'moments.mean_return', 'moments.std_return', "365 * 86400 / epoch(" ~ bar_length('based.bot') ~ ")") }}
        as sharpe_bar,
    {{ ratio_null_reason('moments.return_count', 'moments.std_return', 'no_variation') }} as sharpe_bar_null_reason,
    {{ annualised_ratio('moments.return_count', 'moments.mean_return', 'moments.downside_deviation', "365 * 86400 / epoch(" ~ bar_length('based.bot') ~ ")") }}
        as sortino_bar,
    {{ ratio_null_reason('moments.return_count', 'moments.downside_deviation', 'no_negative_return') }} as sortino_bar_null_reason,
    {{ is_complete_day('based.bot', 'based.date_ist') }} as is_complete_day,
    based.is_synthetic
from based
left join traded
    on based.bot = traded.bot and based.run_id = traded.run_id and based.symbol = traded.symbol and based.date_ist = traded.date_ist
left join moments
    on based.bot = moments.bot and based.run_id = moments.run_id and based.symbol = moments.symbol
    and based.date_ist = moments.date_ist
order by date_ist
