{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'since': 'emitted_at'}},
) }}
-- The figures of the bot's health and KPI records as they should have been after each decision: of the same run only, and of
-- nothing that happened later.
with equities as (select * from {{ ref('fct_equity') }} where {{ in_runs(since='emitted_at') }} and decision_id is not null),

decisions as (select * from {{ ref('fct_decisions') }} where {{ in_runs(bars='bar_open_at') }}),

signals as (select * from {{ ref('stg_signals') }} where {{ in_runs(bars='bar_open_at') }} and decision_id is not null),

predictions as (
    select * from {{ ref('fct_predictions') }} where {{ in_runs(bars='bar_open_at') }} and horizon_bars = 1 and label_ended_at is not null
),

costs as (select * from {{ ref('stg_costs_breakdown') }} where {{ in_runs(bars='bar_open_at') }} and decision_id is not null),

fills as (select * from {{ ref('fct_fills') }} where {{ in_runs(bars='bar_open_at') }} and decision_id is not null),

trips as (select * from {{ ref('fct_round_trips') }} where {{ in_runs() }} and status = 'closed'),

costs_of_decision as (
    select
        decision_id,
        arg_max(mean_bar_volume_usd, (emitted_at, source_file, line_no)) as mean_bar_volume_usd
    from costs
    group by decision_id
),

paid as (
    select decision_id, sum(fee_usd + impact_usd) as cost_usd, sum(case when fee_usd is not null and impact_usd is not null then notional_usd end) as costed_usd
    from fills
    group by decision_id
),

same_bar_trips as (
    select bot, run_id, symbol, min(closed_at) as first_closed_at
    from trips
    where time_bucket({{ bar_length('bot') }}, opened_at) = time_bucket({{ bar_length('bot') }}, closed_at)
    group by bot, run_id, symbol
),

-- a hit is known when the next bar has closed
hits as (
    select
        bot, run_id, symbol, label_ended_at as known_at,
        case when strategy_direction <> 0 and realized_return_bps <> 0 then 1 else 0 end as is_judged,
        case when strategy_direction = sign(realized_return_bps) and strategy_direction <> 0 then 1 else 0 end as is_hit
    from predictions
    where realized_return_bps is not null
),

points as (
    select
        equities.bot, equities.run_id, equities.symbol, equities.decision_id, equities.point_no, equities.emitted_at,
        equities.equity_usd, equities.start_equity_usd, equities.recomputed_pnl_usd, equities.recomputed_null_reason,
        equities.drawdown_share, equities.position_qty, equities.exposure_usd, equities.traded_usd,
        cast(equities.held_s as decimal(18, 6)) as held_s,
        equities.bar_return * 1e4 as return_bps,
        signals.p_down_prob, signals.p_up_prob, signals.s_model, signals.calibration_intercept, signals.calibration_slope,
        decisions.in_band_at_entry,
        costs_of_decision.mean_bar_volume_usd,
        paid.cost_usd,
        paid.costed_usd
    from equities
    left join decisions on equities.decision_id = decisions.decision_id
    left join signals on equities.decision_id = signals.decision_id
    left join costs_of_decision on equities.decision_id = costs_of_decision.decision_id
    left join paid on equities.decision_id = paid.decision_id
),

windowed as (
    select
        points.*,
        count(s_model) over last_60 as signal_count,
        {{ exact_sum('p_down_prob') }} over last_60 as p_down_sum,
        {{ exact_sum('p_up_prob') }} over last_60 as p_up_sum,
        {{ exact_sum('s_model') }} over last_60 as s_model_sum,
        count(return_bps) over last_day as day_n,
        {{ exact_sum('return_bps') }} over last_day as day_sum,
        {{ exact_sum('return_bps * return_bps') }} over last_day as day_squares,
        count(return_bps) over last_week as week_n,
        {{ exact_sum('return_bps') }} over last_week as week_sum,
        {{ exact_sum('return_bps * return_bps') }} over last_week as week_squares,
        {{ exact_sum('least(return_bps, 0) * least(return_bps, 0)') }} over last_week as week_down_squares,
        sum(traded_usd) over last_day as day_traded_usd,
        sum(equity_usd) over last_day as day_equity_sum,
        count(*) over last_day as day_point_count,
        min(drawdown_share) over so_far as max_drawdown_share,
        sum(case when position_qty <> 0 then held_s end) over before as in_market_s,
        sum(held_s) over before as held_so_far_s,
        last_value(mean_bar_volume_usd ignore nulls) over so_far as known_bar_volume_usd,
        sum(cost_usd) over so_far as cost_so_far_usd,
        sum(costed_usd) over so_far as costed_so_far_usd,
        (max(calibration_intercept) over so_far - min(calibration_intercept) over so_far
            + max(calibration_slope) over so_far - min(calibration_slope) over so_far) / 2 as calibration_spread,
        count(in_band_at_entry) over last_288 as band_count,
        count(case when in_band_at_entry then 1 end) over last_288 as in_band_count
    from points
    window
        so_far as (partition by bot, run_id, symbol order by point_no rows between unbounded preceding and current row),
        before as (partition by bot, run_id, symbol order by point_no rows between unbounded preceding and 1 preceding),
        last_60 as (partition by bot, run_id, symbol order by point_no rows between 59 preceding and current row),
        last_288 as (partition by bot, run_id, symbol order by point_no rows between 287 preceding and current row),
        last_day as (partition by bot, run_id, symbol order by emitted_at range between interval 24 hours preceding and current row),
        last_week as (partition by bot, run_id, symbol order by emitted_at range between interval 7 days preceding and current row)
),

-- hits counted up to each point, by time: a hit of the same instant comes first
hit_events as (
    select bot, run_id, symbol, known_at as happened_at, 0 as is_point, is_judged, is_hit, cast(null as varchar) as decision_id from hits
    union all
    select bot, run_id, symbol, emitted_at, 1, 0, 0, decision_id from points
),

hits_so_far as (
    select
        decision_id,
        is_point,
        sum(is_judged) over last_week as judged_count,
        sum(is_hit) over last_week as hit_count
    from hit_events
    window last_week as (partition by bot, run_id, symbol order by happened_at range between interval 7 days preceding and current row)
),

judged as (
    select
        windowed.*,
        hits_so_far.judged_count,
        hits_so_far.hit_count,
        coalesce(same_bar_trips.first_closed_at <= windowed.emitted_at, false) as has_same_bar_trip,
        365 * 86400 / epoch({{ bar_length('windowed.bot') }}) as bars_per_year
    from windowed
    left join hits_so_far on windowed.decision_id = hits_so_far.decision_id and hits_so_far.is_point = 1
    left join same_bar_trips
        on windowed.bot = same_bar_trips.bot and windowed.run_id = same_bar_trips.run_id and windowed.symbol = same_bar_trips.symbol
)

select
    decision_id,
    bot,
    run_id,
    symbol,
    emitted_at,
    signal_count,
    {{ ratio('p_down_sum', 'signal_count') }} as mean_p_down_prob,
    {{ ratio('p_up_sum', 'signal_count') }} as mean_p_up_prob,
    {{ ratio('s_model_sum', 'signal_count') }} as mean_s_model,
    cast(start_equity_usd + recomputed_pnl_usd as double) as equity_usd,
    recomputed_null_reason as equity_null_reason,
    day_n as return_count_1d,
    week_n as return_count_1w,
    {{ sharpe_of_sums('day_n', 'day_sum', 'day_squares', 'bars_per_year') }} as sharpe_1d,
    {{ sharpe_of_sums('week_n', 'week_sum', 'week_squares', 'bars_per_year') }} as sharpe_1w,
    case
        when week_n >= {{ var('risk_min_returns') }} and week_down_squares > 0
            then cast(week_sum as double) / week_n / sqrt(cast(week_down_squares as double) / week_n) * sqrt(bars_per_year)
    end as sortino_1w,
    case when judged_count > 0 then cast(hit_count as double) / cast(judged_count as double) end as hit_rate_share,
    case when day_equity_sum > 0 then cast(day_traded_usd as double) / (cast(day_equity_sum as double) / day_point_count) * 1e4 end as turnover_bps_per_day,
    case when position_qty = 0 then 0 else {{ ratio('exposure_usd', "known_bar_volume_usd * 86400 / epoch(" ~ bar_length('bot') ~ ")") }} end
        as capacity_participation_share,
    least(max_drawdown_share, 0) as max_drawdown_share,
    {{ ratio('coalesce(in_market_s, 0)', 'held_so_far_s') }} as time_in_market_share,
    calibration_spread as calibration_drift,
    has_same_bar_trip,
    {{ ratio('in_band_count', 'band_count') }} as in_no_trade_band_share,
    cast(cost_so_far_usd as double) / nullif(cast(costed_so_far_usd as double), 0) * 1e4 as cost_bps
from judged
order by emitted_at
