-- What shadow trades and traces contribute to the metrics: live runs, one replica per bar, the headline horizon.
with shadows as (
    select *, coalesce(veto_guard_primary, 'none') as guard
    from {{ ref('fct_shadow_trades') }}
    where run_kind = 'live_paper' and is_canonical and is_forced is not true and is_headline_horizon
),

shadow_sums as (
    select
        bot,
        guard,
        decided_date_ist as date_ist,
        count(*) as source_row_count,
        count(*) filter (where verdict = 'unresolved') as unresolved_count,
        count(cf_net_bps) as resolved_count,
        count(*) filter (where verdict = 'good') as good_count,
        count(*) filter (where verdict in ('good', 'bad')) as decided_count,
        count(*) filter (where cf_net_bps > 0) as won_count,
        {{ exact_sum('cf_net_bps') }} as pnl_bps,
        coalesce({{ exact_sum('cf_net_bps') }} filter (where verdict = 'bad'), 0) as missed_bps,
        bool_or(is_synthetic) as is_synthetic
    from shadows
    group by bot, guard, decided_date_ist
),

trace_sums as (
    select
        bot,
        decided_date_ist as date_ist,
        count(*) as source_row_count,
        count(total_ms) as trace_count,
        sum(total_ms) as total_ms,
        count(*) filter (where total_ms is not null and len(bottleneck_steps) > 0) as bottleneck_count,
        bool_or(is_synthetic) as is_synthetic
    from {{ ref('fct_decision_traces') }}
    where run_kind = 'live_paper' and is_canonical
    group by bot, decided_date_ist
)

{{ measure_rows('shadow_sums', 'fct_shadow_trades', {
    'shadow_block_count': ['source_row_count', 'source_row_count'],
    'unresolved_block_count': ['unresolved_count', 'source_row_count'],
    'resolved_block_count': ['resolved_count', 'resolved_count'],
    'good_block_count': ['good_count', 'resolved_count'],
    'decided_block_count': ['decided_count', 'decided_count'],
    'shadow_won_count': ['won_count', 'resolved_count'],
    'shadow_pnl_bps': ['pnl_bps', 'resolved_count', "case when resolved_count = 0 then 'none_resolved' end"],
    'missed_pnl_bps': ['case when resolved_count > 0 then missed_bps end', 'resolved_count', "case when resolved_count = 0 then 'none_resolved' end"],
}, dimension='guard', dimension_value='guard') }}
union all
{{ measure_rows('trace_sums', 'fct_decision_traces', {
    'trace_total_ms': ['total_ms', 'trace_count'],
    'trace_count': ['trace_count', 'trace_count'],
    'trace_bottleneck_count': ['bottleneck_count', 'trace_count'],
}) }}
