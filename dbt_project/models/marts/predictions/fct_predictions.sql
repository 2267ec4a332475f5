{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
-- Every decision with what came after it: the return over the next bars of the same run, bot and symbol. The return of a bar
-- is what the run itself logged for it (first feature), as the logged realised return is always 0.
{%- set horizons = var('prediction_horizons_bars') %}
with decisions as (select * from {{ ref('int_decisions') }} where {{ in_runs(bars='bar_open_at') }}),

signals as (select * from {{ ref('stg_signals') }} where {{ in_runs(bars='bar_open_at') }} and decision_id is not null),

features as (select decision_id, regime_bucket, volatility_regime from {{ ref('stg_feature_log') }} where {{ in_runs(bars='bar_open_at') }} and decision_id is not null),

calibrations as (
    select * from {{ ref('int_calibration_at_entry') }} where {{ in_runs(bars='bar_open_at') }} and entry_kind = 'decision' and is_exact_match
),

runs as (select run_id, git_sha, is_synthetic from {{ ref('dim_runs') }}),

repro_versions as (
    select run_id, min(model_version) as model_version
    from {{ ref('stg_repro') }}
    where {{ in_runs() }} and model_version is not null
    group by run_id
    having count(distinct model_version) = 1
),

model_versions as (select * from {{ ref('model_versions') }}),

-- a bar that a run decided again adds no link to the chain
bars as (
    select run_id, bot, symbol, bar_open_at, feature_mom_1
    from decisions
    where bar_occurrence = 1
),

links as (
    select
        *,
        bar_open_at - lag(bar_open_at) over run_bars is distinct from {{ bar_length('bot') }} as is_chain_start,
        max(bar_open_at) over (partition by run_id, bot, symbol) as last_bar_open_at
    from bars
    window run_bars as (partition by run_id, bot, symbol order by bar_open_at)
),

chains as (
    select
        *,
        sum(is_chain_start::integer) over (
            partition by run_id, bot, symbol order by bar_open_at rows between unbounded preceding and current row
        ) as chain_no
    from links
),

-- close-to-close growth of each following bar of the unbroken chain, nearest first
followed as (
    select
        run_id,
        bot,
        symbol,
        bar_open_at,
        last_bar_open_at,
        list(1 + feature_mom_1) over (
            partition by run_id, bot, symbol, chain_no order by bar_open_at
            rows between 1 following and {{ horizons | max }} following
        ) as next_growths
    from chains
),

horizons as (
    select unnest([{{ horizons | join(', ') }}]) as horizon_bars
),

predictions as (
    select
        decisions.decision_id,
        decisions.run_id,
        decisions.bot,
        decisions.symbol,
        decisions.bar_open_at,
        decisions.bar_close_at,
        decisions.bar_counter,
        decisions.first_seen_at as predicted_at,
        decisions.run_kind,
        decisions.replica_no,
        decisions.replica_count,
        decisions.is_canonical,
        decisions.bar_counter >= {{ var('prediction_warm_up_bars') }} as is_warm,
        decisions.first_seen_at >= decisions.bar_close_at as is_bar_finished,
        -- six decimals, rounded once here: every figure that rests on these is exact and free of float noise
        cast(1e4 * signals.s_model as decimal(18, 6)) as pred_raw_bps,
        cast(calibrations.pred_cal_bps_at_entry as decimal(18, 6)) as pred_cal_bps,
        calibrations.band_bps_at_entry as band_bps,
        calibrations.is_tradable_at_entry as is_tradable,
        signals.p_down_prob,
        signals.p_neutral_prob,
        signals.p_up_prob,
        signals.source_file is not null as has_signal,
        sign(signals.arm_s_model_bma)::integer as strategy_direction,
        signals.decision_direction,
        features.regime_bucket,
        features.volatility_regime,
        runs.git_sha,
        runs.is_synthetic,
        coalesce(repro_versions.model_version, model_versions.model_version) as model_version,
        case
            when repro_versions.model_version is not null then 'record'
            when model_versions.model_version is not null then 'seed'
        end as model_version_method,
        followed.next_growths,
        followed.last_bar_open_at
    from decisions
    left join signals using (decision_id)
    left join features using (decision_id)
    left join calibrations using (decision_id)
    left join runs on decisions.run_id = runs.run_id
    left join repro_versions on decisions.run_id = repro_versions.run_id
    left join model_versions
        on decisions.first_seen_at >= model_versions.valid_from
        and decisions.first_seen_at < coalesce(model_versions.valid_until, timestamptz 'infinity')
    left join followed
        on decisions.run_id = followed.run_id
        and decisions.bot = followed.bot
        and decisions.symbol = followed.symbol
        and decisions.bar_open_at = followed.bar_open_at
),

labelled as (
    select
        predictions.*,
        horizons.horizon_bars,
        bar_close_at + horizons.horizon_bars * {{ bar_length('bot') }} as label_ended_at,
        len(next_growths) >= horizons.horizon_bars as is_chain_complete,
        bar_open_at + horizons.horizon_bars * {{ bar_length('bot') }} <= last_bar_open_at as is_run_long_enough,
        cast(
            1e4 * (
                case
                    when len(next_growths) >= horizons.horizon_bars
                        then list_reduce(next_growths[1:horizons.horizon_bars], lambda product, growth: product * growth)
                end - 1
            ) as decimal(18, 6)
        ) as realized_return_bps
    from predictions
    cross join horizons
),

reasoned as (
    select
        *,
        case
            when realized_return_bps is not null then null
            when coalesce(is_chain_complete, false) then 'return_not_logged'
            when is_run_long_enough then 'bar_missing'
            else 'no_later_bar'
        end as realized_return_null_reason
    from labelled
)

select
    decision_id,
    horizon_bars,
    bot,
    run_id,
    symbol,
    bar_open_at,
    bar_close_at,
    bar_counter,
    predicted_at,
    {{ date_ist('predicted_at') }} as predicted_date_ist,
    run_kind,
    replica_no,
    replica_count,
    is_canonical,
    is_warm,
    is_bar_finished,
    is_synthetic,
    git_sha,
    model_version,
    model_version_method,
    regime_bucket,
    volatility_regime,
    pred_raw_bps,
    case
        when pred_raw_bps is not null then null
        when has_signal then 'score_not_logged'
        else 'signal_record_missing'
    end as prediction_null_reason,
    pred_cal_bps,
    band_bps,
    is_tradable,
    p_down_prob,
    p_neutral_prob,
    p_up_prob,
    strategy_direction,
    decision_direction,
    bar_close_at as label_started_at,
    label_ended_at,
    realized_return_bps,
    realized_return_null_reason,
    case
        when realized_return_bps > {{ var('neutral_return_bps') }} then 'up'
        when realized_return_bps < -{{ var('neutral_return_bps') }} then 'down'
        when realized_return_bps is not null then 'neutral'
    end as realized_class,
    is_canonical and run_kind = 'live_paper' and is_bar_finished as is_in_population,
    is_canonical and run_kind = 'live_paper' and is_bar_finished
    and pred_raw_bps is not null and realized_return_bps is not null as is_scored
from reasoned
order by bar_open_at
