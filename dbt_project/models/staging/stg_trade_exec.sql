with raw as (select * from {{ source('raw', 'trade_exec') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

parsed as (
    select
        source_file, line_no, record, emitted_at, load_id,
        json_transform(record, '{
            "event_version": "BIGINT", "event_id": "VARCHAR", "source": "VARCHAR", "priority": "VARCHAR",
            "trade_id": "VARCHAR", "signal_id": "VARCHAR", "symbol": "VARCHAR", "mode": "VARCHAR", "side": "VARCHAR"
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
        fields.trade_id,
        fields.signal_id,
        fields.symbol,
        fields."mode",
        fields.side,
        {{ exact_decimal('record', 'qty') }} as fill_qty,
        {{ exact_decimal('record', 'price') }} as fill_px,
        {{ exact_decimal('record', 'expected_price') }} as expected_px,
        {{ exact_decimal('record', 'size_gbp') }} as size_gbp,
        {{ exact_decimal('record', 'fee_gbp') }} as fee_gbp
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
    trade_id,
    signal_id,
    symbol,
    mode,
    side,
    fill_qty,
    fill_px,
    expected_px,
    size_gbp,
    fee_gbp,
    files.partition_date,
    files.is_synthetic,
    typed.load_id
from typed
left join files on typed.source_file = files.source_file
order by emitted_at
