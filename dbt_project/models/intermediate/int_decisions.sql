-- One decision per burst, with its place among the replicas: several processes decide the same bar of the same bot, and
-- statistics may use one of them only (docs/decisions/canonical_replica.md).
with bursts as (select * from {{ ref('int_bursts') }}),

runs as (select * from {{ ref('int_runs') }}),

signal_matches as (
    select decision_id, row_key as signal_row_key
    from {{ ref('int_signal_matches') }}
    where decision_id is not null
),

signals as (
    select
        {{ row_key('raw') }} as signal_row_key,
        raw.emitted_at as signal_emitted_at,
        try_cast(record ->> '$.model_out.s_model' as double) as s_model,
        try_cast(record ->> '$.features[0]' as double) as feature_mom_1
    from {{ source('raw', 'signals') }} as raw
),

decisions as (
    select
        bursts.*,
        runs.run_kind,
        signals.signal_row_key,
        signals.signal_emitted_at,
        signals.s_model,
        signals.feature_mom_1,
        burst_started_at is not null and burst_ended_at is not null and signals.signal_row_key is not null as is_complete
    from bursts
    inner join runs using (run_id)
    left join signal_matches using (decision_id)
    left join signals using (signal_row_key)
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
        ) as replica_no
    from decisions
)

select
    *,
    replica_no = 1 as is_canonical,
    count(*) over (partition by bot, symbol, bar_open_at) as replica_count
from ranked
