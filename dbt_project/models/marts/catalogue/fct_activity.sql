-- One feed of everything that happened, in order. Ties are ordered by kind and id, so the feed is the same each time.
with runs as (
    select
        *,
        list_aggregate(bots, 'string_agg', ' ') as subject,
        coalesce(run_kind, 'run without decision') || coalesce(' of bots ' || list_aggregate(bots, 'string_agg', ', '), '') as title,
        -- as long as a run may go on, its last record is not its end; a one-shot start is over with its only bar
        coalesce(run_kind = 'offline_smoke', false)
            or last_emitted_at < max(last_emitted_at) over () - to_seconds({{ var('run_end_after_seconds') }}) as has_run_ended
    from {{ ref('dim_runs') }}
),

events as (
    select filled_at as happened_at, 'fill' as kind, 'normal' as priority, bot as subject, fill_id as event_key,
        side || ' ' || format('{:.6g}', cast(qty as double)) || ' ' || symbol || ' at ' || format('{:.6g}', cast(price as double))
            || case when is_forced then ' (validation)' else '' end as message,
        'fct_fills' as source_model, is_synthetic
    from {{ ref('fct_fills') }}
    union all
    select closed_at, 'trade_closed', 'normal', bot, trade_id,
        direction || ' ' || symbol || ' closed: ' || coalesce(format('{:.2f}', cast(net_pnl_usd as double)) || ' USD net', 'result unknown')
            || coalesce(' (' || lower(exit_reason) || ')', ''),
        'fct_round_trips', is_synthetic
    from {{ ref('fct_round_trips') }}
    where status = 'closed'
    union all
    select decided_at, 'decision_blocked', 'debug', bot, decision_id,
        coalesce(blocked_side || ' ', '') || symbol || ' blocked: ' || coalesce(lower(veto_reason_primary), 'reason unknown'),
        'fct_guard_rejections', is_synthetic
    from {{ ref('fct_guard_rejections') }}
    where is_canonical
    union all
    select fired_at, 'alert', case level when 'info' then 'debug' when 'warning' then 'normal' else 'critical' end, dimension_value, alert_id,
        level || ': ' || message, 'fct_alert_events', is_synthetic
    from {{ ref('fct_alert_events') }}
    where outcome = 'sent'
    union all
    select coalesce(first_seen_at, effective_at), 'config_change', 'normal', subject, change_id,
        subject_kind || ' ' || subject || ' ' || diff, 'fct_config_changes', is_synthetic
    from {{ ref('fct_config_changes') }}
    where coalesce(first_seen_at, effective_at) is not null and evidence = 'logged'
    union all
    select first_emitted_at, 'run_started', 'normal', subject, run_id || '/start', title, 'dim_runs', is_synthetic
    from runs
    union all
    select last_emitted_at, 'run_ended', 'debug', subject, run_id || '/end',
        'last record of ' || decision_count || ' decisions', 'dim_runs', is_synthetic
    from runs
    where has_run_ended
    union all
    select trained_at, 'model_update', 'normal', model_name, session_id,
        model_name || ' trained' || coalesce(', AUC ' || format('{:.4f}', auc_score), ''), 'fct_training_sessions', is_synthetic
    from {{ ref('fct_training_sessions') }}
    union all
    select emitted_at, 'gate_block', 'debug', mode, source_file || '#' || line_no,
        gate || ' rejected signal ' || signal_id, 'stg_gate_decision', is_synthetic
    from {{ ref('stg_gate_decision') }}
    where verdict = 'REJECT'
    union all
    select emitted_at, 'second_system_trade', 'normal', mode, source_file || '#' || line_no,
        side || ' ' || symbol || ' closed: ' || format('{:.4f}', cast(net_pnl_gbp as double)) || ' GBP net', 'stg_trade_close', is_synthetic
    from {{ ref('stg_trade_close') }}
    union all
    select emitted_at, 'error', 'critical', component, source_file || '#' || line_no,
        error_type || ': ' || message, 'stg_error', is_synthetic
    from {{ ref('stg_error') }}
)

select
    kind || '|' || event_key as activity_id,
    happened_at,
    {{ date_ist('happened_at') }} as date_ist,
    kind,
    priority,
    subject,
    message,
    source_model,
    event_key,
    -- 1 is the newest of its IST day, so the last N are read from the newest days
    row_number() over (partition by {{ date_ist('happened_at') }} order by happened_at desc, kind, event_key) as newest_no_of_day,
    is_synthetic
from events
