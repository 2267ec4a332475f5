-- The folder names the bot and the record its run; the bar is the first part of the event id.
with raw as (select * from {{ source('raw', 'execution_log') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

decisions as (select * from {{ ref('int_decisions') }} where {{ near_part('first_seen_at', kind='context_days') }}),

parsed as (
    select
        source_file, line_no, {{ row_key('raw') }} as row_key, record, emitted_at, load_id,
        json_transform(record, '{
            "run_id": "VARCHAR", "asset": "VARCHAR", "event_id": "VARCHAR", "decision_time_ist": "VARCHAR",
            "exec_time_ist": "VARCHAR", "bar_id_exec": "BIGINT", "side": "VARCHAR", "order_type": "VARCHAR",
            "slip_bps": "DOUBLE", "router": "VARCHAR", "rejections": "BIGINT", "ioc_ms": "DOUBLE",
            "ts_ist": "VARCHAR", "schema_v": "VARCHAR", "bar_id": "BIGINT"
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, row_key, emitted_at, load_id,
        fields.run_id,
        fields.asset as symbol,
        fields.event_id,
        try_cast(fields.decision_time_ist as timestamptz) as decided_at,
        try_cast(fields.exec_time_ist as timestamptz) as filled_at,
        fields.bar_id_exec as bar_counter,
        fields.side,
        fields.order_type,
        {{ exact_decimal('record', 'limit_px') }} as limit_px,
        {{ exact_decimal('record', 'fill_px') }} as fill_px,
        {{ exact_decimal('record', 'fill_qty') }} as fill_qty,
        fields.slip_bps,
        fields.router,
        fields.rejections as rejection_count,
        fields.ioc_ms,
        fields.schema_v as schema_version,
        fields.bar_id as llm_bar_id,
        {{ event_id_instant('fields.event_id') }} as bar_open_at
    from parsed
),

attributed as (
    select
        typed.*,
        decisions.decision_id,
        files.path_bot as bot,
        'path' as bot_method,
        'record' as run_method,
        cast(null as varchar) as unattributed_reason,
        decisions.replica_no,
        coalesce(decisions.is_canonical, false) as is_canonical,
        files.partition_date,
        files.is_synthetic
    from typed
    left join files on typed.source_file = files.source_file
    left join decisions
        on typed.run_id = decisions.run_id
        and files.path_bot = decisions.bot
        and typed.symbol = decisions.symbol
        and typed.bar_open_at = decisions.bar_open_at
        and typed.emitted_at >= decisions.owns_from
        and typed.emitted_at < decisions.owns_until
)

select
    source_file,
    line_no,
    decision_id,
    bot,
    bot_method,
    run_id,
    run_method,
    unattributed_reason,
    symbol,
    bar_open_at,
    bar_open_at + {{ bar_length('bot') }} as bar_close_at,
    bar_counter,
    emitted_at,
    {{ date_ist('emitted_at') }} as emitted_date_ist,
    {{ date_utc('emitted_at') }} as emitted_date_utc,
    replica_no,
    is_canonical,
    event_id,
    decided_at,
    filled_at,
    side,
    order_type,
    limit_px,
    fill_px,
    fill_qty,
    slip_bps,
    router,
    rejection_count,
    ioc_ms,
    schema_version,
    llm_bar_id,
    partition_date,
    is_synthetic,
    load_id
from attributed
order by emitted_at
