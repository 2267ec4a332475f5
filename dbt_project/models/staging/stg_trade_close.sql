with raw as (select * from {{ source('raw', 'trade_close') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

parsed as (
    select
        source_file, line_no, record, emitted_at, load_id,
        json_transform(record, '{
            "event_version": "BIGINT", "event_id": "VARCHAR", "source": "VARCHAR", "priority": "VARCHAR",
            "trade_id": "VARCHAR", "symbol": "VARCHAR", "mode": "VARCHAR", "side": "VARCHAR", "opened_timestamp": "VARCHAR",
            "closed_timestamp": "VARCHAR", "return_bps": "DOUBLE", "exit_reason": "VARCHAR", "regime": "VARCHAR",
            "confidence": "DOUBLE", "meta_prob": "DOUBLE"
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
        fields.symbol,
        fields."mode",
        fields.side,
        try_cast(fields.opened_timestamp as timestamptz) as opened_at,
        try_cast(fields.closed_timestamp as timestamptz) as closed_at,
        {{ exact_decimal('record', 'entry_price') }} as entry_px,
        {{ exact_decimal('record', 'exit_price') }} as exit_px,
        {{ exact_decimal('record', 'size_gbp') }} as size_gbp,
        {{ exact_decimal('record', 'pnl_gbp') }} as net_pnl_gbp,
        {{ exact_decimal('record', 'fees_gbp') }} as fees_gbp,
        fields.return_bps,
        fields.exit_reason,
        fields.regime,
        fields.confidence as confidence_prob,
        fields.meta_prob as meta_label_prob
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
    symbol,
    mode,
    side,
    opened_at,
    closed_at,
    entry_px,
    exit_px,
    size_gbp,
    net_pnl_gbp,
    fees_gbp,
    return_bps,
    exit_reason,
    regime,
    confidence_prob,
    meta_label_prob,
    files.partition_date,
    files.is_synthetic,
    typed.load_id
from typed
left join files on typed.source_file = files.source_file
order by emitted_at
