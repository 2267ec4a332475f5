{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
-- What the bot wanted before its guards, what came out, and whether the thresholds in force explain which arm was eligible.
with records as (select * from {{ ref('int_decision_records') }} where {{ in_runs(bars='bar_open_at') }}),

repros as (select * from {{ ref('stg_repro') }} where {{ in_runs() }}),

code_versions as (select * from {{ ref('code_versions') }}),

thresholds as (select * from {{ ref('eligibility_thresholds') }}),

commits as (
    select run_id, arg_min(git_sha, (emitted_at, source_file, line_no)) as git_sha
    from repros
    where run_id is not null
    group by run_id
),

version_of_commit as (select git_sha, code_version from code_versions where git_sha is not null),

version_of_date as (select * from code_versions where git_sha is null),

-- evidence first: the shape of the record, then a published commit, and only then the date
versioned as (
    select
        records.*,
        coalesce(records.signal_emitted_at, records.last_seen_at) as decided_at,
        case when records.signal_emitted_at is not null then 'signal_record' else 'burst_end' end as decided_at_method,
        case
            when records.has_three_class_fields then 'C'
            else coalesce(version_of_commit.code_version, version_of_date.code_version)
        end as code_version,
        case
            when records.has_three_class_fields then 'record_shape'
            when version_of_commit.code_version is not null then 'git_sha'
            when version_of_date.code_version is not null then 'date'
        end as code_version_method
    from records
    left join commits using (run_id)
    left join version_of_commit on commits.git_sha = version_of_commit.git_sha
    left join version_of_date
        on (version_of_date.valid_from is null or records.bar_open_at >= version_of_date.valid_from)
        and (version_of_date.valid_to is null or records.bar_open_at < version_of_date.valid_to)
),

with_thresholds as (
    select
        versioned.*,
        -- greatest() ignores NULL, so both are asked for
        case when p_up_prob is not null and p_down_prob is not null then greatest(p_up_prob, p_down_prob) end as model_confidence,
        abs(s_model) as model_strength,
        p_up_prob + p_down_prob as p_non_neutral,
        greatest(p_up_prob, p_down_prob) / nullif(p_up_prob + p_down_prob, 0) as direction_confidence,
        thresholds.eligibility_rule,
        thresholds.s_min,
        thresholds.m_min,
        thresholds.conf_min,
        thresholds.alpha_min,
        thresholds.p_non_neutral_min,
        thresholds.conf_dir_min,
        thresholds.strength_min
    from versioned
    left join thresholds
        on versioned.bot = thresholds.bot
        and versioned.code_version = thresholds.code_version
        and (thresholds.valid_from is null or versioned.bar_open_at >= thresholds.valid_from)
        and (thresholds.valid_to is null or versioned.bar_open_at < thresholds.valid_to)
),

-- an arm that was never fed holds 0 in the record: the bot compares that 0, so recomputing does as well
recomputed as (
    select
        *,
        coalesce(abs(arm_s_top), 0) >= s_min as is_pros_eligible_recomputed,
        coalesce(abs(arm_s_bot), 0) >= m_min as is_amateurs_eligible_recomputed,
        case eligibility_rule
            when 'confidence' then model_confidence >= conf_min and model_strength >= alpha_min
            when 'three_class' then
                p_non_neutral >= p_non_neutral_min
                and coalesce(direction_confidence, 0) >= conf_dir_min
                and model_strength >= strength_min
        end as is_model_eligible_recomputed
    from with_thresholds
),

-- the chosen arm's sign (its value is after the flip); a model arm below the minimum strength does not trade
arm_directions as (
    select
        *,
        case
            when signal_line_no is null then null
            when chosen_arm is null or chosen_arm_value is null then 0
            when chosen_arm like 'model%' and abs(chosen_arm_value) < alpha_min then 0
            else cast(sign(chosen_arm_value) as integer)
        end as arm_direction,
        case intent_side when 'BUY' then 1 when 'SELL' then -1 when 'HOLD' then 0 end as intent_direction
    from recomputed
),

-- an overlay replaces the arm's direction, and order_intent is written between the overlay and the guards
directed as (
    select
        *,
        case
            when has_overlay then coalesce(intent_direction, arm_direction)
            else coalesce(arm_direction, intent_direction)
        end as direction_before_guards
    from arm_directions
),

-- a direction where the path had none, or where a guard had just set it to none, can only be the forced validation trade
flagged as (
    select
        *,
        coalesce(decision_direction <> 0 and (guard_token is not null or direction_before_guards = 0), false) as is_forced
    from directed
)

select
    *,
    case when is_forced then 0 else decision_direction end as organic_direction
from flagged
order by bar_open_at
