-- The folder names the bot and the record its run; the bar is the first part of the event id.
with raw as (select * from {{ source('raw', 'pnl_equity_log') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

decisions as (select * from {{ ref('int_decisions') }} where {{ near_part('first_seen_at', kind='context_days') }}),

parsed as (
    select
        source_file, line_no, {{ row_key('raw') }} as row_key, record, emitted_at, load_id,
        json_transform(record, '{
            "run_id": "VARCHAR", "asset": "VARCHAR", "realized_return_bps": "DOUBLE", "event_id": "VARCHAR",
            "ts_ist": "VARCHAR", "schema_v": "VARCHAR", "bar_id": "BIGINT"
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, row_key, emitted_at, load_id,
        fields.run_id,
        fields.asset as symbol,
        {{ exact_decimal('record', 'pnl_total_usd') }} as pnl_total_usd,
        {{ exact_decimal('record', 'equity_value') }} as equity_usd,
        fields.realized_return_bps,
        fields.event_id,
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
        decisions.bar_counter,
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
),

-- values by which the source means "no input"
reasoned as (
    select
        *,
        {{ null_reason_map({
            'realized_return_bps': "case when realized_return_bps = 0 then 'source_default' end",
        }) }} as null_reasons
    from attributed
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
    pnl_total_usd,
    equity_usd,
    case when null_reasons['realized_return_bps'] is null then realized_return_bps end as realized_return_bps,
    event_id,
    schema_version,
    llm_bar_id,
    null_reasons,
    partition_date,
    is_synthetic,
    load_id
from reasoned
order by emitted_at
