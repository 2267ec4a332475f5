{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'record_days', 'column': "date_ist"}},
) }}
-- Records and bytes by file and IST day of emission. Streams without an emission clock take the clock of their burst, and
-- where that was lost the day of their bar.
{%- set clocked = [
    'calibration_log', 'costs', 'ensemble_log', 'execution_log', 'health', 'hyperliquid_fills', 'kpi_scorecard',
    'market_ingest_log', 'overlay_status', 'pnl_equity_log', 'repro', 'signals', 'sizing_risk_log',
    'signal', 'gate_decision', 'trade_exec', 'trade_close', 'model_update', 'gate_adjustment', 'error',
] %}
{%- set unclocked = ['calibration', 'feature_log', 'order_intent'] %}
with records as (
    {%- for stream in clocked %}
    select
        '{{ stream }}' as stream,
        source_file,
        {{ date_ist('emitted_at') }} as date_ist,
        false as is_date_inferred,
        emitted_at,
        strlen(cast(record as varchar)) as text_bytes
    from {{ source('raw', stream) }}
    where {{ in_part('emitted_at', 'record_days') }}
    union all
    {%- endfor %}
    {%- for stream in unclocked %}
    select
        '{{ stream }}' as stream,
        raw.source_file,
        coalesce(staged.emitted_date_ist, {{ date_ist('staged.bar_open_at') }}) as date_ist,
        staged.emitted_at is null as is_date_inferred,
        staged.emitted_at,
        strlen(cast(raw.record as varchar)) as text_bytes
    from {{ source('raw', stream) }} as raw
    inner join {{ ref('stg_' ~ stream) }} as staged
        on raw.source_file = staged.source_file and raw.line_no = staged.line_no
    where
        {{ in_part('coalesce(staged.emitted_at, staged.bar_open_at)', 'record_days') }}
        -- only to read less: a bar of a day is decided within two days, which is what its successor takes to end
        and {{ near_part('raw.bar_open_at', 50, 'record_days') }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select
    stream,
    source_file,
    date_ist,
    count(*) as record_count,
    count(*) filter (where is_date_inferred) as inferred_date_count,
    cast(sum(text_bytes) as bigint) as text_bytes,
    min(emitted_at) as first_emitted_at,
    max(emitted_at) as last_emitted_at
from records
group by stream, source_file, date_ist
order by date_ist
