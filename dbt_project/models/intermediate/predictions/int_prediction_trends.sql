-- Does the information coefficient fade? Least squares of the daily coefficient on the day, over the days of a slice up to
-- each day: daily coefficients rounded to 12 decimals, so that the sums are exact.
with daily as (
    select
        parent_grain, parent_key, bot, symbol, population, horizon_bars,
        last_date_ist as date_ist,
        cast(last_date_ist - date '2020-01-01' as hugeint) as d,
        cast(round(ic_spearman * 1e12) as hugeint) as c
    from {{ ref('int_prediction_sums') }}
    where grain in ('day_ist', 'code_version_day', 'model_version_day', 'regime_day') and ic_spearman is not null
),

running as (
    select
        parent_grain, parent_key, bot, symbol, population, horizon_bars, date_ist,
        count(*) over up_to_day as day_count,
        sum(d) over up_to_day as sum_d,
        sum(c) over up_to_day as sum_c,
        sum(d * d) over up_to_day as sum_dd,
        sum(c * c) over up_to_day as sum_cc,
        sum(d * c) over up_to_day as sum_dc
    from daily
    window up_to_day as (
        partition by parent_grain, parent_key, bot, symbol, population, horizon_bars order by date_ist
        rows between unbounded preceding and current row
    )
),

fitted as (
    select
        *,
        cast(day_count * sum_dc - sum_d * sum_c as double) as spread_dc,
        cast(day_count * sum_dd - sum_d * sum_d as double) as spread_dd,
        cast(day_count * sum_cc - sum_c * sum_c as double) as spread_cc
    from running
)

select
    parent_grain,
    parent_key,
    bot,
    symbol,
    population,
    horizon_bars,
    date_ist,
    day_count,
    case when day_count >= {{ var('ic_decay_min_days') }} then {{ ratio('spread_dc', 'spread_dd') }} / 1e12 end as ic_per_day,
    -- slope over its standard error with day_count - 2 degrees of freedom; undefined for a perfect line
    case when day_count >= {{ var('ic_decay_min_days') }} and spread_dd * spread_cc > spread_dc * spread_dc then
        spread_dc * sqrt((day_count - 2) / (spread_dd * spread_cc - spread_dc * spread_dc))
    end as ic_per_day_t_stat
from fitted
