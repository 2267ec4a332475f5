{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "split_part(book_id, '|', 2)"}},
) }}
-- Why each closing part of a fill happened: what the bot logged, else what its decision shows, else UNKNOWN.
with parts as (select * from {{ ref('int_fill_parts') }} where {{ in_runs("split_part(book_id, '|', 2)") }} and role = 'EXIT'),

fills as (select * from {{ ref('int_fills') }} where {{ in_runs(since='emitted_at') }}),

classes as (select * from {{ ref('exit_reasons') }}),

observed as (
    select
        parts.trade_id,
        parts.book_id,
        parts.fill_id,
        parts.fill_no,
        parts.part_qty,
        parts.direction_sign,
        fills.logged_exit_reason,
        classes.exit_reason as logged_class,
        fills.has_signal,
        fills.decision_direction,
        fills.chosen_arm,
        fills.guard_token,
        sign(fills.position_before_qty) * sign(fills.position_after_qty) < 0 as is_flip
    from parts
    inner join fills on parts.fill_id = fills.fill_id
    left join classes on starts_with(fills.logged_exit_reason, classes.logged_prefix)
),

ruled as (
    select
        *,
        case
            when logged_class is not null then 'logged'
            when is_flip then 'fill_goes_through_flat'
            when not has_signal then 'no_signal_record'
            when decision_direction = -direction_sign then 'opposite_direction_decided'
            when decision_direction = 0 and guard_token is not null then 'guard_fired'
            when decision_direction = 0 and chosen_arm is null then 'no_arm_eligible'
            when decision_direction = direction_sign then 'same_direction_smaller_size'
            else 'nothing_found'
        end as exit_reason_rule
    from observed
)

select
    trade_id,
    book_id,
    fill_id,
    fill_no,
    part_qty,
    case exit_reason_rule
        when 'logged' then logged_class
        when 'fill_goes_through_flat' then 'SIGNAL_FLIP'
        when 'opposite_direction_decided' then 'SIGNAL_FLIP'
        when 'guard_fired' then 'RISK_LIMIT'
        when 'no_arm_eligible' then 'MODEL_CONFIDENCE_DROP'
        when 'same_direction_smaller_size' then 'SIZE_REDUCTION'
        else 'UNKNOWN'
    end as exit_reason,
    exit_reason_rule,
    case exit_reason_rule
        when 'logged' then logged_exit_reason
        when 'guard_fired' then guard_token
        when 'no_signal_record' then null
        else concat('direction ', coalesce(cast(decision_direction as varchar), 'unknown'), ', arm ', coalesce(chosen_arm, 'none'))
    end as exit_reason_evidence,
    case
        when exit_reason_rule = 'logged' then 'logged'
        when exit_reason_rule in ('no_signal_record', 'nothing_found') then 'unknown'
        else 'inferred'
    end as exit_reason_confidence
from ruled
