{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
-- The catalogue laid over the decisions: which guards were in force, with the metric, limits and logged flag of each.
with paths as (select * from {{ ref('int_decision_paths') }} where {{ in_runs(bars='bar_open_at') }}),

guards as (
    select
        *,
        string_split(bots, ' ') as bot_list,
        string_split(code_versions, ' ') as code_version_list
    from {{ ref('guards') }}
    where source_system = 'metastacker'
),

executions as (
    select decision_id, count(*) as execution_count
    from {{ ref('stg_execution_log') }}
    where {{ in_runs(bars='bar_open_at') }} and decision_id is not null
    group by decision_id
),

ordered as (
    select
        paths.*,
        coalesce(executions.execution_count, 0) as execution_count,
        nullif(regexp_extract(paths.overlay_alignment_rule, 'conflict_band_skip'), '') as overlay_token,
        (
            epoch(paths.bar_open_at)
            - epoch(max(case when executions.execution_count > 0 then paths.bar_open_at end) over earlier_bars)
        ) / epoch({{ bar_length('paths.bot') }}) as bars_since_order
    from paths
    left join executions using (decision_id)
    window earlier_bars as (
        partition by paths.run_id, paths.bot, paths.symbol
        order by paths.bar_open_at, paths.bar_occurrence
        rows between unbounded preceding and 1 preceding
    )
),

-- the lists of the catalogue are opened once per bot and code, not once per decision
scopes as (select distinct bot, code_version from paths),

guards_of_scope as (
    select scopes.bot, scopes.code_version, guards.*
    from scopes
    inner join guards
        on (guards.bot_list is null or list_contains(guards.bot_list, scopes.bot))
        and (guards.code_version_list is null or list_contains(guards.code_version_list, scopes.code_version))
),

-- which guard the logged token names
tokened as (
    select
        ordered.*,
        case when tokens.stage = 'guard' then tokens.priority end as logged_priority,
        coalesce(tokens.stage = 'gate', false) as is_gate_logged
    from ordered
    left join guards_of_scope as tokens
        on ordered.bot = tokens.bot
        and ordered.code_version = tokens.code_version
        and ordered.guard_token = tokens.flag
        and tokens.polarity = 'token_present'
        and tokens.stage in ('guard', 'gate')
        and (tokens.valid_from is null or ordered.bar_open_at >= tokens.valid_from)
        and (tokens.valid_to is null or ordered.bar_open_at < tokens.valid_to)
),

in_force as (
    select
        ordered.decision_id,
        ordered.run_id,
        ordered.bar_open_at,
        guards.guard,
        guards.stream,
        guards.flag,
        guards.polarity,
        guards.stage,
        guards.is_causal as is_causal_guard,
        guards.priority,
        guards.veto_reason,
        guards.comparator,
        guards.unit,
        guards.default_input_rule,
        case guards.input_metric
            when 'model_confidence' then ordered.model_confidence
            when 'model_strength' then ordered.model_strength
            when 'p_non_neutral' then ordered.p_non_neutral
            when 'direction_confidence' then ordered.direction_confidence
            when 'arm_pros_strength' then abs(ordered.arm_s_top)
            when 'arm_amateurs_strength' then abs(ordered.arm_s_bot)
            when 'funding_against' then ordered.funding_rate * ordered.direction_before_guards
            when 'abs_pred_cal_bps' then abs(coalesce(ordered.pred_cal_bps, ordered.guard_pred_cal_bps))
            when 'bar_counter' then cast(ordered.bar_counter as double)
            when 'bars_since_order' then ordered.bars_since_order
            when 'intent_spread_bps' then ordered.intent_spread_bps
            when 'intent_volatility' then ordered.intent_volatility
            when 'bar_volume_qty' then cast(ordered.bar_volume_qty as double)
            when 'target_position_strength' then abs(ordered.target_position_share)
            when 'signal_strength' then ordered.signal_strength
        end as input_value,
        case guards.limit_parameter
            when 'conf_min' then ordered.conf_min
            when 'alpha_min' then ordered.alpha_min
            when 's_min' then ordered.s_min
            when 'm_min' then ordered.m_min
            when 'p_non_neutral_min' then ordered.p_non_neutral_min
            when 'conf_dir_min' then ordered.conf_dir_min
            when 'strength_min' then ordered.strength_min
            else guards.limit_lo
        end as limit_lo,
        guards.limit_hi,
        guards.input_metric,
        case guards.flag
            when 'threshold' then ordered.is_threshold_passed
            when 'band' then ordered.is_band_passed
            when 'spread_guard' then ordered.is_spread_guard_passed
            when 'volatility_ok' then ordered.is_volatility_passed
            when 'liquidity_ok' then ordered.is_liquidity_passed
            when 'risk_ok' then ordered.is_risk_passed
        end as flag_value,
        case when guards.stage = 'overlay' then ordered.overlay_token else ordered.guard_token end as logged_token,
        ordered.logged_priority,
        ordered.is_gate_logged,
        -- is the record there that the guard would have written to?
        case guards.stream
            when 'order_intent' then ordered.intent_line_no is not null
            else ordered.signal_line_no is not null
        end as has_record,
        ordered.intent_side = 'HOLD' and ordered.seed_veto_flag = guards.flag and guards.stage = 'advisory' as is_seed_veto,
        ordered.arm_direction,
        ordered.direction_before_guards,
        ordered.decision_direction,
        ordered.organic_direction,
        ordered.execution_count,
        ordered.exit_reason is not null as has_exit_order
    from tokened as ordered
    inner join guards_of_scope as guards
        on ordered.bot = guards.bot
        and ordered.code_version = guards.code_version
        and (guards.valid_from is null or ordered.bar_open_at >= guards.valid_from)
        and (guards.valid_to is null or ordered.bar_open_at < guards.valid_to)
        and (guards.stage <> 'overlay' or ordered.has_overlay)
)

select * replace (case when isfinite(input_value) then input_value end as input_value)
from in_force
order by bar_open_at
