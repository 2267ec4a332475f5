-- What trades, fills and equity contribute to the metrics: live, organic, canonical only, as for every performance number.
with trips as (
    select trips.*, coalesce(decisions.volatility_regime, 'unknown') as regime
    from {{ ref('fct_round_trips') }} as trips
    left join {{ ref('fct_decisions') }} as decisions on trips.opening_decision_id = decisions.decision_id
    where trips.status = 'closed' and trips.run_kind = 'live_paper' and trips.is_canonical and trips.is_forced is not true
),

fills as (
    select * from {{ ref('fct_fills') }} where run_kind = 'live_paper' and is_canonical
),

points as (
    select *, extract(epoch from {{ bar_length('bot') }}) as bar_s
    from {{ ref('fct_equity') }}
    where run_kind = 'live_paper' and is_canonical
),

-- days on which a bot decided and closed nothing: no trades, and not "unknown"
idle_days as (
    select
        decisions.bot,
        decisions.decided_date_ist as date_ist,
        count(*) as source_row_count,
        bool_or(decisions.is_synthetic) as is_synthetic
    from {{ ref('fct_decisions') }} as decisions
    where decisions.run_kind = 'live_paper'
        and decisions.is_canonical
        and (decisions.bot, decisions.decided_date_ist) not in (select bot, closed_date_ist from trips)
    group by decisions.bot, decisions.decided_date_ist
),

trip_sums as (
    select
        bot,
        closed_date_ist as date_ist,
        regime,
        count(*) as source_row_count,
        count(*) filter (where outcome = 'win') as won_count,
        count(*) filter (where outcome = 'loss') as lost_count,
        count(*) filter (where outcome = 'breakeven') as breakeven_count,
        count(net_pnl_usd) as priced_count,
        sum(net_pnl_usd) as net_pnl_usd,
        sum(gross_pnl_usd) as gross_pnl_usd,
        sum(fees_usd) filter (where net_pnl_usd is not null) as fees_usd,
        coalesce(sum(net_pnl_usd) filter (where outcome = 'win'), 0) as won_usd,
        coalesce(-sum(net_pnl_usd) filter (where outcome = 'loss'), 0) as lost_usd,
        count(return_bps) as return_count,
        {{ exact_sum('return_bps') }} as return_bps,
        {{ exact_sum('holding_s') }} as holding_s,
        count(mae_bps) as excursion_count,
        {{ exact_sum('mae_bps') }} as mae_bps,
        {{ exact_sum('mfe_bps') }} as mfe_bps,
        bool_or(is_synthetic) as is_synthetic
    from trips
    group by bot, closed_date_ist, regime
),

fill_sums as (
    select
        bot,
        filled_date_ist as date_ist,
        count(*) as source_row_count,
        count(*) filter (where is_forced) as forced_count,
        sum(notional_usd) as notional_usd,
        count(fee_usd) as costed_count,
        sum(fee_usd) as fee_usd,
        sum(notional_usd) filter (where fee_usd is not null) as costed_usd,
        sum(impact_usd) as impact_usd,
        sum(notional_usd) filter (where impact_usd is not null) as impacted_usd,
        count(impact_usd) as impacted_count,
        sum(fee_usd + impact_usd) as cost_usd,
        sum(notional_usd) filter (where fee_usd + impact_usd is not null) as cost_base_usd,
        count(fee_usd + impact_usd) as cost_count,
        sum(slippage_usd) as slippage_usd,
        sum(notional_usd) filter (where slippage_usd is not null) as slipped_usd,
        count(slippage_usd) as slipped_count,
        bool_or(is_synthetic) as is_synthetic
    from fills
    group by bot, filled_date_ist
),

point_sums as (
    select
        bot,
        emitted_date_ist as date_ist,
        count(*) as source_row_count,
        -- a ratio on equity has no meaning where there is none left
        sum(traded_usd) filter (where equity_usd > 0) as traded_usd,
        sum(equity_usd) filter (where equity_usd > 0) / count(*) filter (where equity_usd > 0) as mean_equity_usd,
        count(*) filter (where equity_usd > 0) as solvent_count,
        sum(exposure_usd) filter (where equity_usd > 0) as exposure_usd,
        sum(equity_usd) filter (where equity_usd > 0 and exposure_usd is not null) as exposed_equity_usd,
        count(exposure_usd) filter (where equity_usd > 0) as exposure_count,
        coalesce({{ exact_sum('held_s') }} filter (where position_qty <> 0), 0) as held_s,
        {{ exact_sum('held_s') }} as observed_s,
        count(held_s) as held_count,
        -min(drawdown_share) as drawdown_share,
        count(bar_return) as return_count,
        {{ exact_sum('bar_return') }} as return_sum,
        {{ exact_sum('bar_return * bar_return') }} as return_squares,
        max(365 * 86400 / bar_s) as bars_per_year,
        bool_or(is_synthetic) as is_synthetic
    from points
    group by bot, emitted_date_ist
),

rated_points as (
    select *, {{ sharpe_of_sums('return_count', 'return_sum', 'return_squares', 'bars_per_year') }} as sharpe
    from point_sums
)

{{ measure_rows('trip_sums', 'fct_round_trips', {
    'trade_count': ['source_row_count', 'source_row_count'],
    'won_trade_count': ['won_count', 'won_count + lost_count'],
    'lost_trade_count': ['lost_count', 'won_count + lost_count'],
    'judged_trade_count': ['won_count + lost_count', 'won_count + lost_count'],
    'breakeven_trade_count': ['breakeven_count', 'won_count + lost_count + breakeven_count'],
    'outcome_trade_count': ['won_count + lost_count + breakeven_count', 'won_count + lost_count + breakeven_count'],
    'net_pnl_usd': ['net_pnl_usd', 'priced_count'],
    'gross_pnl_usd': ['gross_pnl_usd', 'source_row_count'],
    'trade_fees_usd': ['fees_usd', 'priced_count'],
    'won_usd': ['won_usd', 'won_count'],
    'lost_usd': ['lost_usd', 'lost_count'],
    'priced_trade_count': ['priced_count', 'priced_count'],
    'return_bps_sum': ['return_bps', 'return_count'],
    'return_count': ['return_count', 'return_count'],
    'holding_s_sum': ['holding_s', 'source_row_count'],
    'mae_bps_sum': ['mae_bps', 'excursion_count'],
    'mfe_bps_sum': ['mfe_bps', 'excursion_count'],
    'excursion_count': ['excursion_count', 'excursion_count'],
}, dimension='regime', dimension_value='regime') }}
union all
{{ measure_rows('idle_days', 'fct_decisions', {'trade_count': ['0', 'source_row_count']}) }}
union all
{{ measure_rows('fill_sums', 'fct_fills', {
    'fill_count': ['source_row_count', 'source_row_count'],
    'forced_fill_count': ['forced_count', 'source_row_count'],
    'traded_usd': ['notional_usd', 'source_row_count'],
    'fee_usd': ['fee_usd', 'costed_count'],
    'costed_usd': ['costed_usd', 'costed_count'],
    'impact_usd': ['impact_usd', 'impacted_count'],
    'impacted_usd': ['impacted_usd', 'impacted_count'],
    'cost_usd': ['cost_usd', 'cost_count'],
    'cost_base_usd': ['cost_base_usd', 'cost_count'],
    'slippage_value': ['slippage_usd', 'slipped_count'],
    'slipped_value': ['slipped_usd', 'slipped_count'],
}) }}
union all
{{ measure_rows('rated_points', 'fct_equity', {
    'equity_traded_usd': ['traded_usd', 'solvent_count', "case when solvent_count = 0 then 'no_equity_left' end"],
    'mean_equity_usd': ['mean_equity_usd', 'solvent_count', "case when solvent_count = 0 then 'no_equity_left' end"],
    'exposure_usd_sum': ['exposure_usd', 'exposure_count'],
    'exposed_equity_usd_sum': ['exposed_equity_usd', 'exposure_count'],
    'held_s': ['held_s', 'held_count'],
    'observed_s': ['observed_s', 'held_count'],
    'drawdown_share': ['drawdown_share', 'source_row_count'],
    'sharpe': ['sharpe', 'return_count', "case when sharpe is null then case when return_count < " ~ var('risk_min_returns') ~ " then 'too_few_returns' else 'constant_returns' end end"],
}) }}
