-- What another limit would have done: who would have passed, what the blocked would have made, and what changes for the trades
-- if this limit alone is moved. A suggestion is a row here; nothing applies it.
with steps as (select * from {{ ref('int_threshold_steps') }}),

grid as (select factor, row_number() over (order by factor) as step_no, count(*) over () as step_count from {{ ref('whatif_factors') }}),

-- a least limit lets through those who pass at least so many steps; a largest limit counts from the other end
judged as (
    select
        steps.*,
        grid.factor,
        case
            when comparator in ('ge', 'gt') then steps.passed_step_count >= grid.step_no
            else steps.passed_step_count > grid.step_count - grid.step_no
        end as is_passing
    from steps
    cross join grid
),

summed as (
    select
        guard,
        bot,
        code_version,
        comparator,
        stage,
        guard_role,
        limit_value,
        factor,
        cast(sum(judged_count) as bigint) as judged_count,
        cast(coalesce(sum(judged_count) filter (where is_passing), 0) as bigint) as pass_count,
        cast(coalesce(sum(priced_count) filter (where not is_passing), 0) as bigint) as blocked_priced_count,
        cast(coalesce(sum(good_count) filter (where not is_passing), 0) as bigint) as blocked_good_count,
        cast(coalesce(sum(bad_count) filter (where not is_passing), 0) as bigint) as blocked_bad_count,
        sum(shadow_pnl_bps) filter (where not is_passing) as blocked_shadow_pnl_bps,
        cast(coalesce(sum(alone_count) filter (where is_passing), 0) as bigint) as freed_count,
        cast(coalesce(sum(alone_priced_count) filter (where is_passing), 0) as bigint) as freed_priced_count,
        sum(alone_pnl_bps) filter (where is_passing) as freed_pnl_bps,
        cast(coalesce(sum(trade_count) filter (where not is_passing), 0) as bigint) as stopped_count,
        cast(coalesce(sum(trade_priced_count) filter (where not is_passing), 0) as bigint) as stopped_priced_count,
        sum(trade_pnl_bps) filter (where not is_passing) as stopped_pnl_bps,
        bool_or(is_synthetic) as is_synthetic
    from judged
    group by guard, bot, code_version, comparator, stage, guard_role, limit_value, factor
),

valued as (
    select
        *,
        case when freed_priced_count + stopped_priced_count > 0 then coalesce(freed_pnl_bps, 0) - coalesce(stopped_pnl_bps, 0) end as pnl_change_bps
    from summed
),

ranked as (
    select
        *,
        pnl_change_bps > 0
        and freed_priced_count + stopped_priced_count >= {{ var('whatif_min_changed_count') }}
        and abs(factor - 1) <= {{ var('whatif_max_change_share') }} + 1e-9 as is_candidate
    from valued
),

chosen as (
    select
        *,
        is_candidate and row_number() over (
            partition by guard, bot, code_version, limit_value
            order by is_candidate desc nulls last, pnl_change_bps desc nulls last, abs(factor - 1), factor
        ) = 1 as is_suggested
    from ranked
)

select
    guard,
    bot,
    code_version,
    stage,
    guard_role,
    comparator,
    limit_value as current_limit,
    factor as limit_factor,
    limit_value * factor as limit_value,
    factor = 1 as is_current_limit,
    judged_count,
    pass_count,
    {{ ratio('pass_count', 'judged_count') }} as pass_rate,
    judged_count - pass_count as blocked_count,
    blocked_priced_count,
    blocked_good_count,
    blocked_bad_count,
    cast(blocked_shadow_pnl_bps as decimal(38, 6)) as blocked_shadow_pnl_bps,
    freed_count,
    freed_priced_count,
    cast(freed_pnl_bps as decimal(38, 6)) as freed_pnl_bps,
    stopped_count,
    stopped_priced_count,
    cast(stopped_pnl_bps as decimal(38, 6)) as stopped_pnl_bps,
    cast(pnl_change_bps as decimal(38, 6)) as pnl_change_bps,
    case
        when pnl_change_bps is not null then null
        when guard_role = 'advisory' then 'nothing_reads_the_flag'
        when freed_count + stopped_count = 0 then 'nothing_would_change'
        else 'none_priced'
    end as pnl_change_null_reason,
    coalesce(is_suggested, false) as is_suggested,
    case
        when not coalesce(is_suggested, false) then null
        when (factor < 1) = (comparator in ('ge', 'gt')) then 'loosen'
        else 'tighten'
    end as suggestion,
    is_synthetic
from chosen
