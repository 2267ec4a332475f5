with raw as (select * from {{ source('raw', 'error') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

parsed as (
    select
        source_file, line_no, emitted_at, load_id,
        json_transform(record, '{
            "event_version": "BIGINT", "event_id": "VARCHAR", "source": "VARCHAR", "priority": "VARCHAR",
            "component": "VARCHAR", "error_type": "VARCHAR", "message": "VARCHAR", "symbol": "VARCHAR"
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
        fields.component,
        fields.error_type,
        fields.message,
        fields.symbol
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
    component,
    error_type,
    message,
    symbol,
    files.partition_date,
    files.is_synthetic,
    typed.load_id
from typed
left join files on typed.source_file = files.source_file
order by emitted_at
