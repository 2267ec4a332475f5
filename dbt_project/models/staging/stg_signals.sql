with raw as (select * from {{ source('raw', 'signals') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

decisions as (select * from {{ ref('int_decisions') }} where {{ near_part('first_seen_at', kind='context_days') }}),

matches as (select * from {{ ref('int_signal_matches') }} where {{ in_part('emitted_at') }}),

parsed as (
    select
        source_file, line_no, {{ row_key('raw') }} as row_key, record, emitted_at, load_id,
        json_transform(record, '{
            "ts": "BIGINT", "symbol": "VARCHAR", "features": ["DOUBLE"],
            "model_out": {
                "p_down": "DOUBLE", "p_neutral": "DOUBLE", "p_up": "DOUBLE", "s_model": "DOUBLE", "a": "DOUBLE",
                "b": "DOUBLE"
            },
            "decision": {
                "dir": "INTEGER", "alpha": "DOUBLE",
                "details": {
                    "chosen": "VARCHAR", "raw_val": "DOUBLE",
                    "eligible": {"pros": "BOOLEAN", "amateurs": "BOOLEAN", "model_meta": "BOOLEAN", "model_bma": "BOOLEAN"},
                    "signals": {
                        "S_top": "DOUBLE", "S_bot": "DOUBLE", "S_mood": "DOUBLE", "S_model_meta": "DOUBLE",
                        "S_model_bma": "DOUBLE"
                    },
                    "model_source": "VARCHAR", "bma_w_base": "DOUBLE", "bma_w_prob": "DOUBLE", "pred_bma_bps": "DOUBLE",
                    "mode": "VARCHAR", "pred_cal_bps": "DOUBLE", "band_bps": "DOUBLE",
                    "overlay": {
                        "enabled": "BOOLEAN", "confidence": "DOUBLE", "chosen_timeframes": ["VARCHAR"],
                        "alignment_rule": "VARCHAR",
                        "individual_signals": {
                            "5m": {"direction": "INTEGER", "alpha": "DOUBLE", "confidence": "DOUBLE"},
                            "15m": {"direction": "INTEGER", "alpha": "DOUBLE", "confidence": "DOUBLE"}
                        }
                    }
                }
            },
            "cohort": {"pros": "DOUBLE", "amateurs": "DOUBLE", "mood": "DOUBLE"}, "ts_ist": "VARCHAR"
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, row_key, emitted_at, load_id,
        {{ from_epoch_ms("fields.ts") }} as bar_open_at,
        fields.symbol,
        fields.features,
        fields.features[1] as feature_mom_1,
        fields.features[2] as feature_mom_3,
        fields.features[3] as feature_mr_ema20_z,
        fields.features[4] as feature_rv_1h,
        fields.features[5] as feature_regime_high_vol,
        fields.features[6] as feature_gk_volatility,
        fields.features[7] as feature_jump_magnitude,
        fields.features[8] as feature_volume_intensity,
        fields.features[9] as feature_price_efficiency,
        fields.features[10] as feature_price_volume_corr,
        fields.features[11] as feature_vwap_momentum,
        fields.features[12] as feature_depth_proxy,
        fields.features[13] as feature_funding_rate,
        fields.features[14] as feature_funding_momentum_1h,
        fields.features[15] as feature_flow_diff,
        fields.features[16] as feature_s_top,
        fields.features[17] as feature_s_bot,
        fields.model_out.p_down as p_down_prob,
        fields.model_out.p_neutral as p_neutral_prob,
        fields.model_out.p_up as p_up_prob,
        fields.model_out.s_model,
        fields.model_out.a as calibration_intercept,
        fields.model_out.b as calibration_slope,
        fields.decision.dir as decision_direction,
        fields.decision.alpha as decision_strength,
        fields.decision.details.chosen as chosen_arm,
        fields.decision.details.raw_val as chosen_arm_value,
        fields.decision.details.eligible.pros as is_arm_pros_eligible,
        fields.decision.details.eligible.amateurs as is_arm_amateurs_eligible,
        fields.decision.details.eligible.model_meta as is_arm_model_meta_eligible,
        fields.decision.details.eligible.model_bma as is_arm_model_bma_eligible,
        fields.decision.details.signals."S_top" as arm_s_top,
        fields.decision.details.signals."S_bot" as arm_s_bot,
        fields.decision.details.signals."S_mood" as arm_s_mood,
        fields.decision.details.signals."S_model_meta" as arm_s_model_meta,
        fields.decision.details.signals."S_model_bma" as arm_s_model_bma,
        fields.decision.details.model_source,
        fields.decision.details.bma_w_base as bma_base_share,
        fields.decision.details.bma_w_prob as bma_prob_share,
        fields.decision.details.pred_bma_bps,
        fields.decision.details.mode as guard_token,
        fields.decision.details.pred_cal_bps as guard_pred_cal_bps,
        fields.decision.details.band_bps as guard_band_bps,
        fields.decision.details.overlay.enabled as is_overlay_enabled,
        fields.decision.details.overlay.confidence as overlay_confidence,
        fields.decision.details.overlay.chosen_timeframes as overlay_chosen_timeframes,
        fields.decision.details.overlay.alignment_rule as overlay_alignment_rule,
        fields.decision.details.overlay.individual_signals."5m".direction as overlay_base_direction,
        fields.decision.details.overlay.individual_signals."5m".alpha as overlay_base_alpha,
        fields.decision.details.overlay.individual_signals."5m".confidence as overlay_base_confidence,
        fields.decision.details.overlay.individual_signals."15m".direction as overlay_second_direction,
        fields.decision.details.overlay.individual_signals."15m".alpha as overlay_second_alpha,
        fields.decision.details.overlay.individual_signals."15m".confidence as overlay_second_confidence,
        fields.cohort.pros as cohort_pros,
        fields.cohort.amateurs as cohort_amateurs,
        fields.cohort.mood as cohort_mood
    from parsed
),

attributed as (
    select
        typed.*,
        matches.decision_id,
        decisions.bot,
        matches.method as bot_method,
        decisions.run_id,
        matches.method as run_method,
        matches.unattributed_reason,
        decisions.bar_counter,
        decisions.replica_no,
        coalesce(decisions.is_canonical, false) as is_canonical,
        files.partition_date,
        files.is_synthetic
    from typed
    left join files on typed.source_file = files.source_file
    left join matches on typed.row_key = matches.row_key
    left join decisions on matches.decision_id = decisions.decision_id
),

-- values by which the source means "no input"
reasoned as (
    select
        *,
        {{ null_reason_map({
            'feature_mom_1': "case when feature_mom_1 = 0 and bar_counter = 0 then 'warm_up' end",
            'feature_mom_3': "case when feature_mom_3 = 0 and bar_counter < 3 then 'warm_up' end",
            'feature_mr_ema20_z': "case when feature_mr_ema20_z = 0 and bar_counter < 20 then 'warm_up' end",
            'feature_rv_1h': "case when feature_rv_1h = 0 then 'warm_up' end",
            'feature_depth_proxy': "case when feature_depth_proxy = 0 then 'source_default' end",
            'feature_s_bot': "case when feature_s_bot = 0 then 'source_default' end",
            'arm_s_bot': "case when arm_s_bot = 0 then 'source_default' end",
            'cohort_amateurs': "case when cohort_amateurs = 0 then 'source_default' end",
        }) }} as null_reasons
    from attributed
)

select
    source_file,
    line_no,
    decision_id,
    bot,
    bot_method,
    run_id,
    run_method,
    unattributed_reason,
    symbol,
    bar_open_at,
    bar_open_at + {{ bar_length('bot') }} as bar_close_at,
    bar_counter,
    emitted_at,
    {{ date_ist('emitted_at') }} as emitted_date_ist,
    {{ date_utc('emitted_at') }} as emitted_date_utc,
    replica_no,
    is_canonical,
    features,
    case when null_reasons['feature_mom_1'] is null then feature_mom_1 end as feature_mom_1,
    case when null_reasons['feature_mom_3'] is null then feature_mom_3 end as feature_mom_3,
    case when null_reasons['feature_mr_ema20_z'] is null then feature_mr_ema20_z end as feature_mr_ema20_z,
    case when null_reasons['feature_rv_1h'] is null then feature_rv_1h end as feature_rv_1h,
    feature_regime_high_vol,
    feature_gk_volatility,
    feature_jump_magnitude,
    feature_volume_intensity,
    feature_price_efficiency,
    feature_price_volume_corr,
    feature_vwap_momentum,
    case when null_reasons['feature_depth_proxy'] is null then feature_depth_proxy end as feature_depth_proxy,
    feature_funding_rate,
    feature_funding_momentum_1h,
    feature_flow_diff,
    feature_s_top,
    case when null_reasons['feature_s_bot'] is null then feature_s_bot end as feature_s_bot,
    p_down_prob,
    p_neutral_prob,
    p_up_prob,
    s_model,
    calibration_intercept,
    calibration_slope,
    decision_direction,
    decision_strength,
    chosen_arm,
    chosen_arm_value,
    is_arm_pros_eligible,
    is_arm_amateurs_eligible,
    is_arm_model_meta_eligible,
    is_arm_model_bma_eligible,
    arm_s_top,
    case when null_reasons['arm_s_bot'] is null then arm_s_bot end as arm_s_bot,
    arm_s_mood,
    arm_s_model_meta,
    arm_s_model_bma,
    model_source,
    bma_base_share,
    bma_prob_share,
    pred_bma_bps,
    guard_token,
    guard_pred_cal_bps,
    guard_band_bps,
    is_overlay_enabled,
    overlay_confidence,
    overlay_chosen_timeframes,
    overlay_alignment_rule,
    overlay_base_direction,
    overlay_base_alpha,
    overlay_base_confidence,
    overlay_second_direction,
    overlay_second_alpha,
    overlay_second_confidence,
    cohort_pros,
    case when null_reasons['cohort_amateurs'] is null then cohort_amateurs end as cohort_amateurs,
    cohort_mood,
    null_reasons,
    partition_date,
    is_synthetic,
    load_id
from reasoned
order by emitted_at
