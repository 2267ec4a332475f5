{{ config(materialized='view') }}
-- The journal's trades: the columns of the second system in its order (currency USD), then the flags to choose by.
with round_trips as (select * from {{ ref('fct_round_trips') }}),

decisions as (select decision_id, regime_bucket from {{ ref('fct_decisions') }}),

runs as (select run_id, git_sha from {{ ref('dim_runs') }}),

predictions as (
    select decision_id, model_version
    from {{ ref('fct_predictions') }}
    where horizon_bars = {{ var('prediction_horizons_bars') | min }}
),

leg_fees as (
    select
        trade_id,
        case when count(entry_fee_usd) = count(*) then sum(entry_fee_usd) end as entry_fee_usd,
        case when count(exit_fee_usd) = count(*) then sum(exit_fee_usd) end as exit_fee_usd
    from {{ ref('fct_round_trip_legs') }}
    group by trade_id
)

select
    round_trips.trade_id,
    round_trips.opened_at as ts_open,
    round_trips.closed_at as ts_close,
    round_trips.symbol,
    round_trips.bot as mode,
    coalesce(decisions.regime_bucket, 'not_logged') as regime,
    lower(round_trips.direction) as side,
    round_trips.entry_vwap_px as entry_price,
    round_trips.entry_notional_usd as size_usd,
    round_trips.entry_qty as size_asset,
    case when round_trips.status = 'closed' then round_trips.exit_vwap_px end as exit_price,
    round_trips.exit_reason,
    case when round_trips.status = 'closed' then round_trips.net_pnl_usd end as pnl_usd,
    round_trips.return_bps / 100 as pnl_pct,
    round_trips.return_bps,
    case when round_trips.status = 'closed' then cast(leg_fees.entry_fee_usd as decimal(28, 10)) end as fee_entry_usd,
    case when round_trips.status = 'closed' then cast(leg_fees.exit_fee_usd as decimal(28, 10)) end as fee_exit_usd,
    1e4 * {{ ratio('round_trips.slippage_usd', 'cast(round_trips.entry_notional_usd as double)') }} as slippage_bps,
    predictions.model_version as model_id,
    runs.git_sha as code_git_sha,
    round_trips.status,
    round_trips.opening_fill_id as event_id,
    to_json(list_filter(
        [
            case when round_trips.is_forced then 'forced' end,
            case when not round_trips.is_canonical then 'replica' end,
            case when round_trips.run_kind = 'offline_smoke' then 'offline_smoke' end,
            case when round_trips.is_synthetic then 'synthetic' end
        ],
        lambda tag: tag is not null
    )) as tags,
    round_trips.outcome,
    round_trips.run_id,
    round_trips.opening_decision_id,
    round_trips.is_forced,
    round_trips.is_canonical,
    -- what win rates are made of: closed, of the one replica, entered by the bot's own decision
    coalesce(
        round_trips.status = 'closed' and round_trips.is_canonical and not round_trips.is_forced
        and round_trips.run_kind = 'live_paper', false
    ) as is_in_statistics,
    round_trips.is_synthetic
from round_trips
left join decisions on round_trips.opening_decision_id = decisions.decision_id
left join predictions on round_trips.opening_decision_id = predictions.decision_id
left join runs on round_trips.run_id = runs.run_id
left join leg_fees on round_trips.trade_id = leg_fees.trade_id
