-- The folder names the bot and the record its run; the bar is the first part of the event id.
with raw as (select * from {{ source('raw', 'overlay_status') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

decisions as (select * from {{ ref('int_decisions') }} where {{ near_part('first_seen_at', kind='context_days') }}),

parsed as (
    select
        source_file, line_no, {{ row_key('raw') }} as row_key, record, emitted_at, load_id,
        json_transform(record, '{
            "run_id": "VARCHAR", "bar_id": "BIGINT", "confidence": "DOUBLE", "alignment_rule": "VARCHAR",
            "chosen_timeframes": ["VARCHAR"],
            "individual_signals": {
                "5m": {"dir": "INTEGER", "alpha": "DOUBLE", "conf": "DOUBLE"},
                "15m": {"dir": "INTEGER", "alpha": "DOUBLE", "conf": "DOUBLE"}
            },
            "asset": "VARCHAR", "event_id": "VARCHAR", "ts_ist": "VARCHAR", "schema_v": "VARCHAR"
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, row_key, emitted_at, load_id,
        fields.run_id,
        fields.bar_id as bar_counter,
        fields.confidence as overlay_confidence,
        fields.alignment_rule,
        fields.chosen_timeframes,
        fields.individual_signals."5m".dir as base_direction,
        fields.individual_signals."5m".alpha as base_alpha,
        fields.individual_signals."5m".conf as base_confidence,
        fields.individual_signals."15m".dir as second_direction,
        fields.individual_signals."15m".alpha as second_alpha,
        fields.individual_signals."15m".conf as second_confidence,
        fields.asset as symbol,
        fields.event_id,
        fields.schema_v as schema_version,
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
),

-- values by which the source means "no input"
reasoned as (
    select
        *,
        {{ null_reason_map({
            'base_direction': "case when base_direction = 0 and base_alpha = 0 and base_confidence = 0 then 'source_default' end",
            'base_alpha': "case when base_direction = 0 and base_alpha = 0 and base_confidence = 0 then 'source_default' end",
            'base_confidence': "case when base_direction = 0 and base_alpha = 0 and base_confidence = 0 then 'source_default' end",
            'second_direction': "case when second_direction = 0 and second_alpha = 0 and second_confidence = 0 then 'source_default' end",
            'second_alpha': "case when second_direction = 0 and second_alpha = 0 and second_confidence = 0 then 'source_default' end",
            'second_confidence': "case when second_direction = 0 and second_alpha = 0 and second_confidence = 0 then 'source_default' end",
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
    overlay_confidence,
    alignment_rule,
    chosen_timeframes,
    case when null_reasons['base_direction'] is null then base_direction end as base_direction,
    case when null_reasons['base_alpha'] is null then base_alpha end as base_alpha,
    case when null_reasons['base_confidence'] is null then base_confidence end as base_confidence,
    case when null_reasons['second_direction'] is null then second_direction end as second_direction,
    case when null_reasons['second_alpha'] is null then second_alpha end as second_alpha,
    case when null_reasons['second_confidence'] is null then second_confidence end as second_confidence,
    event_id,
    schema_version,
    null_reasons,
    partition_date,
    is_synthetic,
    load_id
from reasoned
order by emitted_at
