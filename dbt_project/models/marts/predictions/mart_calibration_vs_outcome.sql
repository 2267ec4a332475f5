-- Did calibrated predictions improve the hit rate? Sign hits of raw score, calibrated score and strategy side, by strength of
-- the calibrated score known at entry; over all decisions, and over the entries that were really filled.
{%- set limits = var('calibration_strength_limits_bps') %}
with predictions as (select * from {{ ref('fct_predictions') }} where is_scored),

calibrations as (select * from {{ ref('int_calibration_at_entry') }}),

fills as (select * from {{ ref('fct_fills') }} where decision_id is not null and is_canonical and is_entry),

-- what was known when it mattered: at the decision, or at the execution
entries as (
    select
        'decisions' as entry_set,
        calibrations.decision_id,
        calibrations.pred_cal_bps_at_entry,
        calibrations.in_band_at_entry,
        cast(null as varchar) as side
    from calibrations
    where entry_kind = 'decision'
    union all
    select
        case when fills.is_forced then 'forced_fills' else 'organic_fills' end as entry_set,
        fills.decision_id,
        calibrations.pred_cal_bps_at_entry,
        calibrations.in_band_at_entry,
        fills.side
    from fills
    inner join calibrations
        on calibrations.entry_kind = 'execution'
        and fills.source_file = calibrations.source_file
        and fills.line_no = calibrations.line_no
    where fills.is_forced is not null
),

judged as (
    select
        predictions.bot,
        predictions.symbol,
        predictions.horizon_bars,
        predictions.is_warm,
        predictions.realized_return_bps,
        predictions.pred_raw_bps,
        predictions.is_synthetic,
        entries.entry_set,
        cast(entries.pred_cal_bps_at_entry as decimal(18, 6)) as pred_cal_bps,
        case entries.side when 'BUY' then 1 when 'SELL' then -1 else predictions.strategy_direction end as taken_direction,
        case
            when entries.pred_cal_bps_at_entry is null then 'unknown'
            when entries.in_band_at_entry then 'in_no_trade_band'
            {%- for limit in limits %}
            when abs(entries.pred_cal_bps_at_entry) < {{ limit }} then 'below_{{ limit }}_bps'
            {%- endfor %}
            else 'from_{{ limits | last }}_bps'
        end as strength
    from predictions
    inner join entries using (decision_id)
),

grouped as (
    select
        * exclude (is_warm, strength),
        coalesce(realized_return_bps <> 0 and pred_raw_bps <> 0 and pred_cal_bps <> 0, false) as is_paired,
        unnest(case when is_warm then ['all_bars', 'warm_bars'] else ['all_bars'] end) as population,
        unnest_strength.strength
    from judged
    cross join lateral (select unnest(['all', judged.strength]) as strength) as unnest_strength
),

counts as (
    select
        bot,
        symbol,
        population,
        entry_set,
        horizon_bars,
        strength,
        count(*) as n_used,
        count(*) filter (realized_return_bps <> 0 and pred_raw_bps <> 0) as raw_sign_count,
        count(*) filter (realized_return_bps <> 0 and sign(pred_raw_bps) = sign(realized_return_bps)) as raw_hit_count,
        count(*) filter (realized_return_bps <> 0 and pred_cal_bps <> 0) as calibrated_sign_count,
        count(*) filter (realized_return_bps <> 0 and sign(pred_cal_bps) = sign(realized_return_bps)) as calibrated_hit_count,
        -- like with like: only entries in which both scores have a sign
        count(*) filter (is_paired) as paired_count,
        count(*) filter (is_paired and sign(pred_raw_bps) = sign(realized_return_bps)) as paired_raw_hit_count,
        count(*) filter (is_paired and sign(pred_cal_bps) = sign(realized_return_bps)) as paired_calibrated_hit_count,
        count(*) filter (realized_return_bps <> 0 and taken_direction <> 0) as taken_sign_count,
        count(*) filter (realized_return_bps <> 0 and taken_direction = sign(realized_return_bps)) as taken_hit_count,
        count(*) filter (sign(pred_cal_bps) <> sign(pred_raw_bps)) as changed_sign_count,
        count(*) filter (pred_cal_bps <> pred_raw_bps) as changed_score_count,
        count(pred_cal_bps) as calibrated_count,
        count(taken_direction) as directed_count,
        sum(taken_direction * realized_return_bps) as sum_taken_return_bps,
        bool_or(is_synthetic) as is_synthetic
    from grouped
    group by all
)

select
    bot,
    symbol,
    population,
    entry_set,
    horizon_bars,
    strength,
    n_used,
    raw_sign_count,
    {{ ratio('raw_hit_count', 'raw_sign_count') }} as raw_hit_share,
    calibrated_sign_count,
    {{ ratio('calibrated_hit_count', 'calibrated_sign_count') }} as calibrated_hit_share,
    {{ wilson_bound('calibrated_hit_count', 'calibrated_sign_count', 'lower') }} as calibrated_hit_share_lower,
    {{ wilson_bound('calibrated_hit_count', 'calibrated_sign_count', 'upper') }} as calibrated_hit_share_upper,
    paired_count,
    {{ ratio('paired_calibrated_hit_count - paired_raw_hit_count', 'paired_count') }} as calibration_gain_share,
    changed_score_count,
    changed_sign_count,
    calibrated_count > 0 and changed_score_count = 0 as is_calibration_identity,
    taken_sign_count,
    {{ ratio('taken_hit_count', 'taken_sign_count') }} as taken_hit_share,
    {{ wilson_bound('taken_hit_count', 'taken_sign_count', 'lower') }} as taken_hit_share_lower,
    {{ wilson_bound('taken_hit_count', 'taken_sign_count', 'upper') }} as taken_hit_share_upper,
    {{ ratio('sum_taken_return_bps', 'directed_count') }} as mean_taken_return_bps,
    case
        when raw_sign_count = 0 then 'no_signed_pair'
        when paired_count = 0 then 'calibration_unknown_or_zero'
    end as calibration_gain_null_reason,
    is_synthetic
from counts
