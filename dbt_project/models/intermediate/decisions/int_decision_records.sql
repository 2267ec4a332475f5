{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
-- Everything the bot logged about one decision, side by side: records are joined by decision_id, which staging gave them
-- at most once per decision. A record that was lost leaves its columns NULL.
with decisions as (select * from {{ ref('int_decisions') }} where {{ in_runs(bars='bar_open_at') }}),

signals as (select * from {{ ref('stg_signals') }} where {{ in_runs(bars='bar_open_at') }} and decision_id is not null),

raw_signals as (
    select
        source_file,
        line_no,
        record ->> '$.decision.details.exit_reason' as exit_reason,
        -- only the later code writes these keys
        record ->> '$.p_non_neutral' is not null as has_three_class_fields
    from {{ source('raw', 'signals') }}
    where {{ near_part('emitted_at', 0, 'run_days') }}
),

intents as (select * from {{ ref('stg_order_intent') }} where {{ in_runs(bars='bar_open_at') }} and decision_id is not null),

raw_intents as (
    -- key order of the record: the audit reads "the first flag that is true"
    select
        source_file,
        line_no,
        list_filter(
            json_keys(record, '$.reason_codes'),
            lambda flag: json_extract_string(record, '$.reason_codes.' || flag) = 'true'
        )[1] as seed_veto_flag
    from {{ source('raw', 'order_intent') }}
    where {{ in_part('bar_open_at', 'bar_span') }}
),

features as (select * from {{ ref('stg_feature_log') }} where {{ in_runs(bars='bar_open_at') }} and decision_id is not null),

sizings as (select * from {{ ref('stg_sizing_risk_log') }} where {{ in_runs(bars='bar_open_at') }} and decision_id is not null),

calibrations as (select * from {{ ref('stg_calibration_log') }} where {{ in_runs(bars='bar_open_at') }} and decision_id is not null),

landings as (
    select source_file, is_synthetic from {{ source('raw', 'files') }}
)

select
    decisions.decision_id,
    decisions.bot,
    decisions.run_id,
    decisions.symbol,
    decisions.bar_open_at,
    decisions.bar_close_at,
    decisions.bar_occurrence,
    decisions.bar_counter,
    decisions.run_kind,
    decisions.is_complete,
    decisions.is_canonical,
    decisions.replica_no,
    decisions.replica_count,
    decisions.last_seen_at,
    signals.source_file as signal_source_file,
    signals.line_no as signal_line_no,
    signals.emitted_at as signal_emitted_at,
    signals.p_down_prob,
    signals.p_neutral_prob,
    signals.p_up_prob,
    signals.s_model,
    signals.decision_direction,
    signals.decision_strength,
    signals.chosen_arm,
    signals.chosen_arm_value,
    signals.is_arm_pros_eligible,
    signals.is_arm_amateurs_eligible,
    signals.is_arm_model_meta_eligible,
    signals.is_arm_model_bma_eligible,
    signals.arm_s_top,
    signals.arm_s_bot,
    signals.null_reasons['arm_s_bot'] as arm_s_bot_null_reason,
    signals.arm_s_model_meta,
    signals.arm_s_model_bma,
    signals.guard_token,
    signals.guard_pred_cal_bps,
    signals.guard_band_bps,
    coalesce(signals.is_overlay_enabled, false) as has_overlay,
    signals.overlay_alignment_rule,
    signals.overlay_confidence,
    signals.overlay_chosen_timeframes,
    signals.overlay_base_direction,
    signals.overlay_second_direction,
    signals.feature_funding_rate as funding_rate,
    raw_signals.exit_reason,
    coalesce(raw_signals.has_three_class_fields, false) as has_three_class_fields,
    intents.source_file as intent_source_file,
    intents.line_no as intent_line_no,
    intents.intent_side,
    intents.intent_strength,
    intents.signal_strength,
    intents.is_threshold_passed,
    intents.is_band_passed,
    intents.is_spread_guard_passed,
    intents.is_volatility_passed,
    intents.is_liquidity_passed,
    intents.is_risk_passed,
    intents.spread_bps as intent_spread_bps,
    intents.volatility as intent_volatility,
    intents.bar_volume_qty,
    raw_intents.seed_veto_flag,
    features.bar_range_bps,
    features.realized_vol,
    features.regime_bucket,
    features.volatility_regime,
    features.liquidity_score,
    features.volume_ratio,
    features.price_change_bps,
    features.null_reasons as feature_null_reasons,
    features.decision_id is not null as has_features,
    sizings.target_position_share,
    sizings.is_adv_cap_hit,
    calibrations.pred_cal_bps,
    calibrations.band_bps,
    calibrations.is_in_no_trade_band,
    landings.is_synthetic
from decisions
left join signals on decisions.decision_id = signals.decision_id
left join raw_signals on signals.source_file = raw_signals.source_file and signals.line_no = raw_signals.line_no
left join intents on decisions.decision_id = intents.decision_id
left join raw_intents on intents.source_file = raw_intents.source_file and intents.line_no = raw_intents.line_no
left join features on decisions.decision_id = features.decision_id
left join sizings on decisions.decision_id = sizings.decision_id
left join calibrations on decisions.decision_id = calibrations.decision_id
left join landings
    on regexp_replace(coalesce(decisions.ensemble_row_key, decisions.equity_row_key), '#[0-9]+$', '') = landings.source_file
order by bar_open_at
