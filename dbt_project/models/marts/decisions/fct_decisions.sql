{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
-- The decision with what the bot wanted, what came out, why, and on what market. Reasons come from the guard verdicts.
with paths as (select * from {{ ref('int_decision_paths') }} where {{ in_runs(bars='bar_open_at') }}),

verdicts as (select * from {{ ref('int_guard_verdicts') }} where {{ in_runs(bars='bar_open_at') }} and verdict = 'VETO'),

calibrations as (select * from {{ ref('int_calibration_at_entry') }} where {{ in_runs(bars='bar_open_at') }} and entry_kind = 'decision'),

executions as (
    select decision_id, count(*) as execution_count
    from {{ ref('stg_execution_log') }}
    where {{ in_runs(bars='bar_open_at') }} and decision_id is not null
    group by decision_id
),

details as (
    select
        *,
        concat(to_json(guard), ':', to_json({
            'verdict_source': verdict_source, 'guard_role': guard_role, 'value': input_value, 'comparator': comparator,
            'limit_lo': limit_lo, 'limit_hi': limit_hi, 'unit': unit, 'margin_abs': margin_abs
        })) as guard_detail
    from verdicts
),

-- list_sort after the aggregate: an ordered aggregate sorts each group by itself, which takes four times as long
vetoes as (
    select
        decision_id,
        max(case when is_primary then guard end) as primary_guard,
        max(case when is_primary then veto_reason end) as primary_reason,
        max(case when is_primary then stage end) as primary_stage,
        count(*) filter (where guard_role = 'causal') as causal_veto_count,
        bool_or(is_causal and logged_verdict = 'VETO') as is_guard_token_causal,
        list_sort(list(
            {'priority': priority, 'guard': guard, 'veto_reason': veto_reason, 'guard_detail': guard_detail}
        )) as veto_list
    from details
    group by decision_id
),

veto_texts as (
    select
        *,
        concat('{', array_to_string(list_transform(veto_list, lambda veto: veto.guard_detail), ','), '}') as guard_details,
        list_transform(veto_list, lambda veto: veto.veto_reason) as repeated_reasons
    from vetoes
),

veto_summaries as (
    select
        * exclude (veto_list, repeated_reasons),
        -- a reason is named once, at its first guard
        list_filter(
            repeated_reasons, lambda reason, place: list_position(repeated_reasons, reason) = place
        ) as veto_reasons
    from veto_texts
),

outcomes as (
    select
        paths.*,
        coalesce(executions.execution_count, 0) as execution_count,
        vetoes.primary_guard,
        vetoes.primary_reason,
        coalesce(vetoes.causal_veto_count, 0) as causal_veto_count,
        case when paths.guard_token is not null then coalesce(vetoes.is_guard_token_causal, false) end as is_guard_token_causal,
        cast(coalesce(vetoes.guard_details, '{}') as json) as guard_details,
        coalesce(vetoes.veto_reasons, []) as veto_reasons,
        coalesce(
            nullif(paths.organic_direction, 0), nullif(paths.direction_before_guards, 0), nullif(paths.arm_direction, 0)
        ) as wanted_direction,
        -- an exit order closes a position: nothing was held back, unless a guard stopped an entry on the same bar
        case
            when paths.organic_direction = 0
                then paths.exit_reason is null or (paths.direction_before_guards <> 0 and paths.guard_token is not null)
            when paths.organic_direction is not null then coalesce(vetoes.primary_stage = 'order', false)
        end as is_blocked
    from paths
    left join executions using (decision_id)
    left join veto_summaries as vetoes using (decision_id)
),

explained as (
    select
        *,
        case
            when is_blocked is null then null
            when not is_blocked then 'NONE'
            when primary_reason is not null then primary_reason
            when direction_before_guards = 0 and arm_direction <> 0 then 'OVERLAY'
            when direction_before_guards = 0 then 'NO_SIGNAL'
        end as veto_reason_primary,
        case
            when is_blocked is null then 'record_lost'
            when is_blocked and primary_reason is null and direction_before_guards is null then 'record_lost'
            when is_blocked and primary_reason is null and direction_before_guards <> 0 then 'no_guard_named'
        end as veto_reason_null_reason,
        -- without an arm the model's own sign is an assumption, and says so
        case
            when is_blocked is not true then null
            when wanted_direction is not null then 'chosen_arm'
            when arm_s_model_meta <> 0 then 'model_score_assumed'
        end as blocked_side_method,
        case
            when is_blocked then coalesce(wanted_direction, nullif(cast(sign(arm_s_model_meta) as integer), 0))
        end as blocked_direction
    from outcomes
),

compared as (
    select
        *,
        is_arm_pros_eligible or is_arm_amateurs_eligible or is_arm_model_meta_eligible or is_arm_model_bma_eligible
            as is_eligible,
        is_pros_eligible_recomputed or is_amateurs_eligible_recomputed or is_model_eligible_recomputed
            as is_eligible_recomputed,
        is_pros_eligible_recomputed = is_arm_pros_eligible
        and is_amateurs_eligible_recomputed = is_arm_amateurs_eligible
        and is_model_eligible_recomputed = is_arm_model_meta_eligible
        and is_model_eligible_recomputed = is_arm_model_bma_eligible as is_eligibility_reproduced
    from explained
),

reasoned as (
    select
        *,
        {{ null_reason_map({
            'p_up_prob': "case when signal_line_no is null then 'record_lost' end",
            'intent_side': "case when intent_line_no is null then 'record_lost' end",
            'bar_volume_qty': "case when intent_line_no is null then 'record_lost' end",
            'bar_range_bps': "case when not has_features then 'record_lost' end",
            'realized_vol': "case when not has_features then 'record_lost' else feature_null_reasons['realized_vol'] end",
            'volume_ratio': "case when not has_features then 'record_lost' else feature_null_reasons['volume_ratio'] end",
            'price_change_bps': "case when not has_features then 'record_lost' else feature_null_reasons['price_change_bps'] end",
            'funding_rate': "case when signal_line_no is null then 'record_lost' end",
            'quoted_spread_bps': "'not_logged'",
            'target_position_fraction': "case when target_position_share is null then 'record_lost' end",
            'overlay_alignment_rule': "
                case when signal_line_no is null then 'record_lost' when not has_overlay then 'bot_has_no_overlay' end",
            'is_eligibility_reproduced': "
                case
                    when is_eligibility_reproduced is not null then null
                    when signal_line_no is null then 'record_lost'
                    when eligibility_rule is null then 'no_thresholds_in_force'
                    else 'not_logged'
                end",
            'blocked_side': "
                case
                    when is_blocked is null then 'record_lost'
                    when not is_blocked then 'not_blocked'
                    when blocked_direction is null then 'no_side'
                end",
        }) }} as null_reasons
    from compared
)

select
    decision_id,
    reasoned.bot,
    reasoned.run_id,
    reasoned.symbol,
    reasoned.bar_open_at,
    reasoned.bar_close_at,
    bar_occurrence,
    bar_counter,
    decided_at,
    decided_at_method,
    {{ date_ist('decided_at') }} as decided_date_ist,
    {{ date_utc('decided_at') }} as decided_date_utc,
    cast(date_part('hour', decided_at at time zone 'Asia/Kolkata') as integer) as decided_hour_ist,
    run_kind,
    is_complete,
    is_canonical,
    replica_no,
    replica_count,
    code_version,
    code_version_method,
    p_down_prob,
    p_neutral_prob,
    p_up_prob,
    s_model,
    decision_direction,
    decision_strength,
    target_position_share as target_position_fraction,
    organic_direction,
    direction_before_guards,
    chosen_arm,
    chosen_arm_value,
    intent_side,
    intent_strength,
    case decision_direction when 1 then 'BUY' when -1 then 'SELL' when 0 then 'HOLD' end as final_side,
    execution_count,
    exit_reason,
    is_forced,
    is_eligible,
    is_eligible_recomputed,
    is_eligibility_reproduced,
    is_blocked,
    veto_reason_primary,
    veto_reason_null_reason,
    list_filter(veto_reasons, lambda reason: reason is distinct from veto_reason_primary) as veto_reason_secondary,
    case when is_blocked then primary_guard end as veto_guard_primary,
    case when is_blocked then primary_guard is not null end as is_causal,
    causal_veto_count,
    guard_token,
    is_guard_token_causal,
    guard_details,
    case when intent_side = 'HOLD' then seed_veto_flag end as seed_veto_reason,
    case blocked_direction when 1 then 'BUY' when -1 then 'SELL' end as blocked_side,
    blocked_side_method,
    regime_bucket,
    volatility_regime,
    bar_volume_qty,
    bar_range_bps,
    realized_vol,
    volume_ratio,
    price_change_bps,
    liquidity_score,
    funding_rate,
    cast(null as double) as quoted_spread_bps,
    has_overlay,
    overlay_alignment_rule,
    overlay_confidence,
    calibrations.pred_cal_bps_at_entry,
    calibrations.band_bps_at_entry,
    calibrations.in_band_at_entry,
    calibrations.is_tradable_at_entry,
    calibrations.calibration_null_reason,
    calibrations.calibration_score_at_entry,
    calibrations.calibration_score_null_reason,
    calibrations.match_method,
    calibrations.match_lag_ms,
    calibrations.is_exact_match,
    null_reasons,
    is_synthetic
from reasoned
left join calibrations using (decision_id)
order by bar_open_at
