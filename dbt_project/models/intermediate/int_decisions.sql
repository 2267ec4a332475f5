{{ config(materialized='incremental', incremental_strategy='part', on_schema_change='fail', meta={'part': {'kind': 'days', 'column': 'first_seen_at'}}) }}
-- One decision per burst, with its place among the replicas: several processes decide the same bar of the same bot, and
-- statistics may use one of them only (docs/decisions/canonical_replica.md).
with bursts as (select * from {{ ref('int_bursts') }} where {{ in_part('bar_open_at', 'bars') }}),

runs as (select * from {{ ref('int_runs') }}),

signals as (
    select decision_id, row_key as signal_row_key, emitted_at as signal_emitted_at, s_model, feature_mom_1, intent_strength
    from {{ ref('int_signal_matches') }}
    where decision_id is not null
),

decisions as (
    select
        bursts.*,
        runs.run_kind,
        signals.signal_row_key,
        signals.signal_emitted_at,
        signals.s_model,
        signals.feature_mom_1,
        signals.intent_strength,
        burst_started_at is not null and burst_ended_at is not null and signals.signal_row_key is not null as is_complete
    from bursts
    inner join runs using (run_id)
    left join signals using (decision_id)
),

ranked as (
    select
        *,
        row_number() over (
            partition by bot, symbol, bar_open_at
            order by
                case run_kind when 'live_paper' then 0 else 1 end,
                is_complete desc,
                bar_counter desc,
                first_seen_at,
                run_id,
                bar_occurrence
        ) as replica_no,
        -- here and not below, where those of other days are gone already
        count(*) over (partition by bot, symbol, bar_open_at) as replica_count
    from decisions
)

select
    * exclude (replica_count),
    replica_no = 1 as is_canonical,
    replica_count
from ranked
where {{ in_part('first_seen_at') }}
order by first_seen_at
