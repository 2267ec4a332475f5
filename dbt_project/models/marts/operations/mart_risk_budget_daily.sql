{#- a warehouse that was built before is_complete_day was there gets the column; new code writes all rows anew #}
{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='append_new_columns',
    post_hook="{{ refresh_complete_days('date_ist') }}",
    meta={'part': {'kind': 'runs', 'column': "run_id"}},
) }}
with equities as (select * from {{ ref('fct_equity') }} where {{ in_runs(since='emitted_at') }}),

fills as (select * from {{ ref('fct_fills') }} where {{ in_runs(since='emitted_at') }} and filled_at is not null),

runs as (select * from {{ ref('dim_runs') }} where {{ in_runs() }}),

costs as (
    select * from {{ ref('stg_costs_breakdown') }} where {{ in_runs(since='emitted_at') }} and run_id is not null and mean_bar_volume_usd is not null
),

limits as (select * from {{ ref('int_risk_limits') }} where {{ in_runs() }}),

day_based as (
    select
        *,
        first_value(equity_before_usd) over (partition by bot, run_id, symbol, emitted_date_ist order by point_no) as day_open_equity_usd
    from equities
),

equity_days as (
    select
        bot, run_id, symbol, emitted_date_ist as date_ist,
        count(*) as equity_point_count,
        max(day_open_equity_usd) as day_open_equity_usd,
        arg_max(equity_usd, point_no) as equity_usd,
        min(equity_usd) as lowest_equity_usd,
        max(peak_equity_usd) as peak_equity_usd,
        max(peak_equity_usd - equity_usd) as deepest_drawdown_usd,
        -- the bot's stop is a share of the highest equity at that moment, which may be lower than that of the day's end
        min_by(peak_equity_usd - equity_usd, (drawdown_share, point_no)) as steepest_drawdown_usd,
        min_by(peak_equity_usd, (drawdown_share, point_no)) as steepest_peak_usd
    from day_based
    group by bot, run_id, symbol, emitted_date_ist
),

fill_days as (
    select bot, run_id, symbol, filled_date_ist as date_ist, count(*) as fill_count, sum(notional_usd) as traded_usd
    from fills
    group by bot, run_id, symbol, filled_date_ist
),

volumes as (
    select
        bot, run_id, symbol, emitted_date_ist as date_ist,
        arg_max(cast(mean_bar_volume_usd as decimal(28, 10)), (emitted_at, source_file, line_no)) as mean_bar_volume_usd
    from costs
    group by bot, run_id, symbol, emitted_date_ist
),

joined as (
    select
        *,
        cast(coalesce(traded_usd, 0) as decimal(38, 20)) as executed_notional_usd,
        -- the last volume the run has logged up to the end of the day
        last_value(mean_bar_volume_usd ignore nulls) over so_far as known_bar_volume_usd,
        last_value(daily_stop_share ignore nulls) over so_far as known_stop_share,
        last_value(adv_hour_cap_share ignore nulls) over so_far as known_hour_cap_share
    from equity_days
    full outer join fill_days using (bot, run_id, symbol, date_ist)
    left join volumes using (bot, run_id, symbol, date_ist)
    left join limits using (bot, run_id, symbol, date_ist)
    window so_far as (partition by bot, run_id, symbol order by date_ist rows between unbounded preceding and current row)
),

budgeted as (
    select
        *,
        greatest(day_open_equity_usd - equity_usd, 0) as daily_loss_usd,
        greatest(day_open_equity_usd - lowest_equity_usd, 0) as worst_daily_loss_usd,
        {{ risk_budget('peak_equity_usd', 'known_stop_share') }} as daily_risk_budget_usd,
        {{ daily_notional_cap('known_bar_volume_usd', 'known_hour_cap_share') }} as daily_notional_cap_usd
    from joined
)

select
    budgeted.bot,
    budgeted.run_id,
    runs.run_kind,
    budgeted.symbol,
    budgeted.date_ist,
    coalesce(equity_point_count, 0) as equity_point_count,
    cast(day_open_equity_usd as decimal(28, 10)) as day_open_equity_usd,
    equity_usd,
    peak_equity_usd,
    cast(equity_usd - day_open_equity_usd as decimal(28, 10)) as daily_pnl_usd,
    cast(case when equity_usd is not null then daily_loss_usd end as decimal(28, 10)) as daily_loss_usd,
    cast(case when equity_usd is not null then worst_daily_loss_usd end as decimal(28, 10)) as worst_daily_loss_usd,
    cast(known_stop_share as double) as daily_stop_share,
    daily_risk_budget_usd,
    cast(daily_risk_budget_usd - daily_loss_usd as decimal(28, 10)) as daily_risk_remaining_usd,
    {{ ratio('daily_loss_usd', 'daily_risk_budget_usd') }} * 100 as risk_utilization_pct,
    {{ ratio('worst_daily_loss_usd', 'daily_risk_budget_usd') }} * 100 as worst_risk_utilization_pct,
    cast(deepest_drawdown_usd as decimal(28, 10)) as deepest_drawdown_usd,
    steepest_drawdown_usd >= {{ risk_budget('steepest_peak_usd', 'known_stop_share') }} as is_daily_stop_reached,
    case
        when equity_usd is null then 'no_equity_record'
        when daily_risk_budget_usd is null then 'no_limit_in_force'
    end as risk_null_reason,
    coalesce(fill_count, 0) as fill_count,
    executed_notional_usd,
    known_bar_volume_usd as mean_bar_volume_usd,
    cast(known_hour_cap_share as double) as adv_hour_cap_share,
    daily_notional_cap_usd,
    cast(daily_notional_cap_usd - executed_notional_usd as decimal(38, 20)) as daily_notional_cap_remaining_usd,
    case
        when known_bar_volume_usd is null then 'no_costs_record_yet'
        when daily_notional_cap_usd is null then 'no_limit_in_force'
    end as notional_cap_null_reason,
    {{ is_complete_day('budgeted.bot', 'budgeted.date_ist') }} as is_complete_day,
    runs.is_synthetic
from budgeted
left join runs on budgeted.run_id = runs.run_id
order by date_ist
