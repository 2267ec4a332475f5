with raw as (select * from {{ source('raw', 'gate_decision') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

parsed as (
    select
        source_file, line_no, emitted_at, load_id,
        json_transform(record, '{
            "event_version": "BIGINT", "event_id": "VARCHAR", "source": "VARCHAR", "priority": "VARCHAR",
            "decision_timestamp": "VARCHAR", "label_cutoff_timestamp": "VARCHAR", "signal_id": "VARCHAR",
            "symbol": "VARCHAR", "mode": "VARCHAR", "gate": "VARCHAR", "verdict": "VARCHAR", "value": "DOUBLE",
            "limit": "DOUBLE", "regime": "VARCHAR"
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, emitted_at, load_id,
        fields.event_version as schema_version,
        fields.event_id,
        fields."source" as source_component,
        fields.priority,
        try_cast(fields.decision_timestamp as timestamptz) as decided_at,
        try_cast(fields.label_cutoff_timestamp as timestamptz) as label_cutoff_at,
        fields.signal_id,
        fields.symbol,
        fields."mode",
        fields.gate,
        fields.verdict,
        fields."value" as gate_value,
        fields."limit" as gate_limit,
        fields.regime
    from parsed
)

select
    typed.source_file,
    typed.line_no,
    typed.emitted_at,
    {{ date_ist('typed.emitted_at') }} as emitted_date_ist,
    {{ date_utc('typed.emitted_at') }} as emitted_date_utc,
    schema_version,
    event_id,
    source_component,
    priority,
    decided_at,
    label_cutoff_at,
    signal_id,
    symbol,
    mode,
    gate,
    verdict,
    gate_value,
    gate_limit,
    regime,
    files.partition_date,
    files.is_synthetic,
    typed.load_id
from typed
left join files on typed.source_file = files.source_file
order by emitted_at
