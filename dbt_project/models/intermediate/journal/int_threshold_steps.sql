{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'run_days', 'column': "decided_date_ist"}},
) }}
-- How far each decision is from the limit of each guard, in steps of the grid: passing is monotone in the limit, so the number
-- of steps passed says at which limits the decision passes. Counted by day, so that the grid itself stays small.
{%- set band = var('shadow_dead_band_bps') %}
with evaluations as (
    select *
    from {{ ref('fct_guard_evaluations') }}
    where {{ in_part('decided_at', 'run_days') }} and is_canonical and run_kind = 'live_paper' and verdict = recomputed_verdict
),

decisions as (select decision_id, is_blocked, chosen_arm, organic_direction from {{ ref('fct_decisions') }} where {{ in_part('decided_at', 'run_days') }}),

changes as (select decision_id, guards from {{ ref('int_single_changes') }}),

phrases as (select guard, arm from {{ ref('guard_phrases') }}),

prices as (
    select
        decision_id,
        case when unresolved_reason is null then net_bps end as net_bps
    from {{ ref('int_shadow_prices') }}
    where horizon_bars = {{ var('shadow_headline_horizon_bars') }} and {{ in_part('decided_at', 'run_days') }}
),

grid as (select list(factor order by factor) as factors from {{ ref('whatif_factors') }}),

-- a limit of 0 has no multiples, two limits at once no single grid
stepped as (
    select
        evaluations.decision_id,
        evaluations.guard,
        evaluations.bot,
        evaluations.code_version,
        evaluations.decided_date_ist,
        evaluations.comparator,
        evaluations.stage,
        evaluations.guard_role,
        coalesce(evaluations.limit_lo, evaluations.limit_hi) as limit_value,
        evaluations.verdict,
        evaluations.is_synthetic,
        len(list_filter(
            grid.factors,
            lambda factor: case evaluations.comparator
                when 'ge' then evaluations.input_value >= evaluations.limit_lo * factor
                when 'gt' then evaluations.input_value > evaluations.limit_lo * factor
                when 'le' then evaluations.input_value <= evaluations.limit_hi * factor
                when 'lt' then evaluations.input_value < evaluations.limit_hi * factor
            end
        )) as passed_step_count
    from evaluations
    cross join grid
    where evaluations.comparator <> 'between' and coalesce(evaluations.limit_lo, evaluations.limit_hi) <> 0
),

effects as (
    select
        stepped.*,
        prices.net_bps,
        -- passing would let it through
        coalesce(stepped.verdict = 'VETO' and list_contains(changes.guards, stepped.guard), false) as is_alone_in_the_way,
        -- failing would stop it: of the arm gates those of the arm that decided
        stepped.verdict = 'PASS' and stepped.guard_role = 'causal' and not decisions.is_blocked and decisions.organic_direction <> 0
        and (stepped.stage <> 'arm' or coalesce(starts_with(decisions.chosen_arm, phrases.arm), false)) as is_trade
    from stepped
    inner join decisions using (decision_id)
    left join changes using (decision_id)
    left join phrases on stepped.guard = phrases.guard
    left join prices using (decision_id)
)

select
    guard,
    bot,
    code_version,
    comparator,
    stage,
    guard_role,
    limit_value,
    decided_date_ist,
    cast(passed_step_count as integer) as passed_step_count,
    count(*) as judged_count,
    count(net_bps) as priced_count,
    count(*) filter (where net_bps < -{{ band }}) as good_count,
    count(*) filter (where net_bps > {{ band }}) as bad_count,
    sum(net_bps) as shadow_pnl_bps,
    count(*) filter (where is_alone_in_the_way) as alone_count,
    count(net_bps) filter (where is_alone_in_the_way) as alone_priced_count,
    sum(net_bps) filter (where is_alone_in_the_way) as alone_pnl_bps,
    count(*) filter (where is_trade) as trade_count,
    count(net_bps) filter (where is_trade) as trade_priced_count,
    sum(net_bps) filter (where is_trade) as trade_pnl_bps,
    bool_or(is_synthetic) as is_synthetic
from effects
group by
    guard, bot, code_version, comparator, stage, guard_role, limit_value, decided_date_ist, passed_step_count
order by decided_date_ist
