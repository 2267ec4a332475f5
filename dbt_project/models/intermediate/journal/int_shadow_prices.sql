{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
-- What each direction a decision had would have made over the next bars of the same run, after the bot's own costs: of the
-- blocked ones and of those taken. The return of a bar is what the run itself logged for it when it was over.
{%- set horizons = var('shadow_horizons_bars') %}
with decisions as (
    select
        *,
        case when is_blocked then blocked_side_method else 'decided' end as side_method,
        case
            when is_blocked then case blocked_side when 'BUY' then 1 when 'SELL' then -1 end
            else nullif(organic_direction, 0)
        end as side_sign
    from {{ ref('fct_decisions') }} where {{ in_runs(bars='bar_open_at') }}
),

bursts as (select decision_id, first_seen_at, feature_mom_1 from {{ ref('int_decisions') }} where {{ in_runs(bars='bar_open_at') }}),

closes as (select decision_id, bar_close_px from {{ ref('int_bar_closes') }} where {{ in_runs(bars='bar_open_at') }}),

cost_models as (select * from {{ ref('bot_cost_model') }}),

-- a bar decided before it was over has no close; a bar decided again adds no link
bars as (
    select decisions.run_id, decisions.bot, decisions.symbol, decisions.bar_open_at, bursts.first_seen_at, bursts.feature_mom_1
    from decisions
    inner join bursts using (decision_id)
    where decisions.bar_occurrence = 1 and bursts.first_seen_at >= decisions.bar_close_at
),

links as (
    select
        *,
        coalesce(
            bar_open_at = lag(bar_open_at) over run_bars + {{ bar_length('bot') }} and feature_mom_1 > -1, false
        ) as is_linked,
        max(bar_open_at) over (partition by run_id, bot, symbol) as last_bar_open_at
    from bars
    window run_bars as (partition by run_id, bot, symbol order by bar_open_at)
),

-- logarithms are summed as DECIMAL: the sum does not depend on the order in which threads add
chains as (
    select
        run_id,
        bot,
        symbol,
        bar_open_at,
        first_seen_at,
        last_bar_open_at,
        sum(case when is_linked then 0 else 1 end) over run_bars as chain_no,
        sum(case when is_linked then cast(ln(1 + feature_mom_1) as decimal(38, 18)) else 0 end) over run_bars as log_path
    from links
    window run_bars as (
        partition by run_id, bot, symbol order by bar_open_at rows between unbounded preceding and current row
    )
),

sided as (
    select
        decisions.decision_id,
        decisions.bot,
        decisions.run_id,
        decisions.symbol,
        decisions.bar_open_at,
        decisions.bar_close_at,
        decisions.decided_at,
        decisions.code_version,
        decisions.is_blocked,
        decisions.side_method,
        decisions.side_sign,
        closes.bar_close_px as entry_px,
        chains.chain_no,
        chains.log_path,
        chains.last_bar_open_at,
        unnest([{{ horizons | join(', ') }}]) as horizon_bars
    from decisions
    left join closes using (decision_id)
    left join chains
        on decisions.run_id = chains.run_id
        and decisions.bot = chains.bot
        and decisions.symbol = chains.symbol
        and decisions.bar_open_at = chains.bar_open_at
    where decisions.side_sign is not null
),

followed as (
    select
        sided.*,
        sided.bar_close_at + sided.horizon_bars * {{ bar_length('sided.bot') }} as label_ended_at,
        exits.first_seen_at as label_known_at,
        sided.chain_no is not null as is_bar_over,
        sided.bar_open_at + sided.horizon_bars * {{ bar_length('sided.bot') }} <= sided.last_bar_open_at as is_run_long_enough,
        exp(cast(exits.log_path - sided.log_path as double)) as growth
    from sided
    left join chains as exits
        on sided.run_id = exits.run_id
        and sided.bot = exits.bot
        and sided.symbol = exits.symbol
        and sided.chain_no = exits.chain_no
        and sided.bar_open_at + sided.horizon_bars * {{ bar_length('sided.bot') }} = exits.bar_open_at
),

costed as (
    select
        followed.*,
        -- six decimals, rounded once here: sums over these are exact
        cast(side_sign * (growth - 1) * 1e4 as decimal(18, 6)) as gross_bps,
        cast(2 * cost_models.fee_bps as decimal(18, 6)) as fee_bps,
        cast(2 * cost_models.slippage_bps as decimal(18, 6)) as slippage_bps,
        -- the bot's impact model is k x quantity, both ways
        cast(
            2e4 * cost_models.impact_k * cost_models.assumed_notional_usd / cast(entry_px as double) as decimal(18, 6)
        ) as impact_bps
    from followed
    left join cost_models on followed.code_version = cost_models.code_version
)

select
    decision_id,
    horizon_bars,
    bot,
    run_id,
    symbol,
    bar_open_at,
    decided_at,
    is_blocked,
    side_method,
    side_sign,
    entry_px,
    epoch(decided_at - bar_close_at) as entry_age_s,
    label_ended_at,
    label_known_at,
    case when growth is not null then cast(round(cast(entry_px as double) * growth, 6) as decimal(28, 10)) end as exit_px,
    case when decided_at < label_ended_at then gross_bps end as gross_bps,
    fee_bps,
    slippage_bps,
    impact_bps,
    case when decided_at < label_ended_at then cast(gross_bps - fee_bps - slippage_bps - impact_bps as decimal(18, 6)) end as net_bps,
    case
        when not is_bar_over then 'bar_not_over'
        when decided_at >= label_ended_at then 'label_ended_before_decision'
        when growth is null and is_run_long_enough then 'bar_missing'
        when growth is null then 'no_later_bar'
        when fee_bps is null then 'no_cost_model'
        when entry_px is null then 'entry_price_unknown'
    end as unresolved_reason
from costed
order by bar_open_at
