{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id"}},
) }}
-- Risk of each run of a bot, once from its bars and once from its days. No window reaches over runs.
with points as (select * from {{ ref('fct_equity') }} where {{ in_runs(since='emitted_at') }}),

days as (select * from {{ ref('mart_equity_daily') }} where {{ in_runs() }}),

returns as (
    select bot, run_id, symbol, 'bar' as return_interval, bar_return as period_return from points
    union all
    select bot, run_id, symbol, 'day' as return_interval, day_return as period_return from days
),

{{ return_moments('returns', ['bot', 'run_id', 'symbol', 'return_interval']) }},

intervals as (select unnest(['bar', 'day']) as return_interval),

runs as (
    select
        bot, run_id, symbol,
        min(run_kind) as run_kind,
        bool_or(is_synthetic) as is_synthetic,
        min(emitted_at) as window_started_at,
        max(emitted_at) as window_ended_at,
        count(*) as point_count,
        count(*) filter (where is_canonical) as canonical_point_count,
        arg_min(start_equity_usd, point_no) as start_equity_usd,
        arg_max(equity_usd, point_no) as end_equity_usd,
        min(drawdown_share) as max_drawdown_share,
        arg_min(point_no, (drawdown_share, point_no)) as trough_no,
        sum(cast(round(held_s * 1e6) as hugeint)) as observed_us,
        sum(cast(round(held_s * 1e6) as hugeint)) filter (where position_qty <> 0) as in_market_us,
        sum(cast(round(held_s * 1e6) as hugeint) * cast(round(exposure_usd * 100) as hugeint)) as exposure_us,
        sum(cast(round(held_s * 1e6) as hugeint) * cast(round(equity_usd * 100) as hugeint))
            filter (where exposure_usd is not null) as equity_us
    from points
    group by bot, run_id, symbol
),

troughs as (
    select runs.bot, runs.run_id, runs.symbol, points.emitted_at as trough_at, points.peak_equity_usd, runs.trough_no
    from runs
    inner join points
        on runs.bot = points.bot and runs.run_id = points.run_id and runs.symbol = points.symbol
        and runs.trough_no = points.point_no
    where runs.max_drawdown_share < 0
),

drawdowns as (
    select
        troughs.bot, troughs.run_id, troughs.symbol, troughs.trough_at,
        max(points.emitted_at) filter (
            where points.point_no < troughs.trough_no and points.equity_usd = troughs.peak_equity_usd
        ) as drawdown_started_at,
        min(points.emitted_at) filter (
            where points.point_no > troughs.trough_no and points.equity_usd >= troughs.peak_equity_usd
        ) as recovered_at
    from troughs
    inner join points
        on troughs.bot = points.bot and troughs.run_id = points.run_id and troughs.symbol = points.symbol
    group by troughs.bot, troughs.run_id, troughs.symbol, troughs.trough_at
),

traded as (
    select
        bot, run_id, symbol,
        count(*) as day_count,
        sum(fill_count) as fill_count,
        sum(forced_fill_count) as forced_fill_count,
        cast(sum(cast(turnover_bps_day as decimal(38, 12))) as double) / nullif(count(turnover_bps_day), 0) as turnover_bps_day
    from days
    group by bot, run_id, symbol
),

metrics as (
    select
        runs.*,
        intervals.return_interval,
        case intervals.return_interval
            when 'bar' then 365 * 86400 / epoch({{ bar_length('runs.bot') }})
            else 365
        end as periods_per_year,
        coalesce(moments.return_count, 0) as return_count,
        moments.mean_return,
        moments.std_return,
        moments.downside_deviation,
        drawdowns.drawdown_started_at,
        drawdowns.trough_at,
        drawdowns.recovered_at,
        traded.day_count,
        traded.fill_count,
        traded.forced_fill_count,
        traded.turnover_bps_day
    from runs
    cross join intervals
    left join moments
        on runs.bot = moments.bot and runs.run_id = moments.run_id and runs.symbol = moments.symbol
        and intervals.return_interval = moments.return_interval
    left join drawdowns on runs.bot = drawdowns.bot and runs.run_id = drawdowns.run_id and runs.symbol = drawdowns.symbol
    left join traded on runs.bot = traded.bot and runs.run_id = traded.run_id and runs.symbol = traded.symbol
),

ratios as (
    select
        *,
        {{ annualised_ratio('return_count', 'mean_return', 'std_return', 'periods_per_year') }} as sharpe,
        {{ annualised_ratio('return_count', 'mean_return', 'downside_deviation', 'periods_per_year') }} as sortino
    from metrics
)

select
    bot,
    run_id,
    run_kind,
    symbol,
    return_interval,
    window_started_at,
    window_ended_at,
    point_count,
    canonical_point_count,
    day_count,
    cast(start_equity_usd as decimal(28, 10)) as start_equity_usd,
    cast(end_equity_usd as decimal(28, 10)) as end_equity_usd,
    cast(end_equity_usd - start_equity_usd as decimal(28, 10)) as pnl_usd,
    return_count,
    mean_return,
    std_return,
    periods_per_year,
    sharpe,
    {{ ratio_null_reason('return_count', 'std_return', 'no_variation') }} as sharpe_null_reason,
    -- Lo (2002), for returns that do not depend on each other
    sqrt((1 + power(sharpe / sqrt(periods_per_year), 2) / 2) / nullif(return_count, 0)) * sqrt(periods_per_year)
        as sharpe_standard_error,
    sortino,
    {{ ratio_null_reason('return_count', 'downside_deviation', 'no_negative_return') }} as sortino_null_reason,
    max_drawdown_share,
    drawdown_started_at,
    trough_at,
    recovered_at,
    turnover_bps_day,
    cast(coalesce(in_market_us, 0) as double) / nullif(cast(observed_us as double), 0) as time_in_market_share,
    case when equity_us > 0 then cast(exposure_us as double) / cast(equity_us as double) end as exposure_share,
    cast(fill_count as bigint) as fill_count,
    cast(forced_fill_count as bigint) as forced_fill_count,
    is_synthetic
from ratios
order by window_ended_at
