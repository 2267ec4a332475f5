{{ config(meta={'part': {'kind': 'fill_days', 'column': 'coalesce(filled_at, emitted_at)'}}) }}
-- Every poll result stays a row. Identical partial fills share an event id (no trade id is logged) and each (run, bot) that
-- polls a fill logs it anew: the true fills of an event id are as many as one (run, bot) saw at most.
with raw as (select * from {{ source('raw', 'hyperliquid_fills') }} where {{ near_part('emitted_at', 0, 'poll_days') }}),

files as (select * from {{ source('raw', 'files') }}),

parsed as (
    select
        source_file, line_no, record, emitted_at, load_id,
        json_transform(record, '{
            "run_id": "VARCHAR", "asset": "VARCHAR", "ts": "BIGINT", "address": "VARCHAR", "coin": "VARCHAR",
            "side": "VARCHAR", "event_id": "VARCHAR", "schema_v": "VARCHAR", "bar_id": "BIGINT"
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, emitted_at, load_id,
        fields.run_id,
        fields.asset as symbol,
        {{ from_epoch_ms("fields.ts") }} as filled_at,
        fields.address as wallet_address,
        fields.coin,
        fields.side as side_raw,
        {{ exact_decimal('record', 'price') }} as fill_px,
        {{ exact_decimal('record', 'size') }} as fill_qty,
        fields.event_id,
        fields.schema_v as schema_version,
        fields.bar_id as llm_bar_id
    from parsed
),

attributed as (
    select
        typed.*,
        files.path_bot as bot,
        'path' as bot_method,
        'record' as run_method,
        cast(null as varchar) as unattributed_reason,
        files.partition_date,
        files.is_synthetic
    from typed
    left join files on typed.source_file = files.source_file
    where {{ in_part('coalesce(filled_at, emitted_at)', 'fill_days') }}
),

-- 1..m within what one (run, bot) saw of an event id
numbered as (
    select
        *,
        row_number() over poll_order as fill_ordinal,
        first_value(emitted_at) over poll_order as first_polled_at
    from attributed
    window poll_order as (partition by symbol, event_id, run_id, bot order by emitted_at, source_file, line_no)
),

-- the k-th identical fill counts once: from the (run, bot) that polled this event id first and has a k-th one
ranked as (
    select
        *,
        row_number() over (
            partition by symbol, event_id, fill_ordinal order by first_polled_at, run_id, bot, source_file, line_no
        ) as replica_no
    from numbered
)

select
    source_file,
    line_no,
    bot,
    bot_method,
    run_id,
    run_method,
    unattributed_reason,
    symbol,
    filled_at,
    emitted_at,
    {{ date_ist('emitted_at') }} as emitted_date_ist,
    {{ date_utc('emitted_at') }} as emitted_date_utc,
    fill_ordinal,
    replica_no,
    replica_no = 1 as is_canonical,
    event_id,
    wallet_address,
    coin,
    side_raw,
    fill_px,
    fill_qty,
    schema_version,
    llm_bar_id,
    partition_date,
    is_synthetic,
    load_id
from ranked
order by filled_at
