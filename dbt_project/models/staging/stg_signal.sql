with raw as (select * from {{ source('raw', 'signal') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

parsed as (
    select
        source_file, line_no, record, emitted_at, load_id,
        json_transform(record, '{
            "event_version": "BIGINT", "event_id": "VARCHAR", "source": "VARCHAR", "priority": "VARCHAR",
            "decision_timestamp": "VARCHAR", "label_cutoff_timestamp": "VARCHAR", "signal_id": "VARCHAR",
            "symbol": "VARCHAR", "mode": "VARCHAR", "side": "VARCHAR", "confidence": "DOUBLE", "meta_prob": "DOUBLE",
            "expected_return_bps": "DOUBLE", "regime": "VARCHAR", "model_id": "VARCHAR", "features": "JSON"
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
        fields.side,
        {{ exact_decimal('record', 'price') }} as signal_px,
        fields.confidence as confidence_prob,
        fields.meta_prob as meta_label_prob,
        fields.expected_return_bps,
        fields.regime,
        fields.model_id,
        fields.features
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
    side,
    signal_px,
    confidence_prob,
    meta_label_prob,
    expected_return_bps,
    regime,
    model_id,
    features,
    files.partition_date,
    files.is_synthetic,
    typed.load_id
from typed
left join files on typed.source_file = files.source_file
order by emitted_at
