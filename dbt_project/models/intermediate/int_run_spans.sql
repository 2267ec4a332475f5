{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': 'run_id'}},
) }}
-- From when to when a run wrote, over every record that is known to be its own.
{%- set streams = [
    'calibration_log', 'costs', 'ensemble_log', 'execution_log', 'health', 'hyperliquid_fills', 'kpi_scorecard',
    'market_ingest_log', 'overlay_status', 'pnl_equity_log', 'repro', 'signals', 'sizing_risk_log',
] %}
with stream_spans as (
    {%- for stream in streams %}
    select
        run_id, min(emitted_at) as first_emitted_at, max(emitted_at) as last_emitted_at, count(*) as record_count,
        bool_or(is_synthetic) as is_synthetic
    from {{ ref('stg_' ~ stream) }}
    where run_id is not null and {{ in_runs(since='emitted_at') }}
    group by run_id
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select
    run_id,
    min(first_emitted_at) as first_emitted_at,
    max(last_emitted_at) as last_emitted_at,
    cast(sum(record_count) as bigint) as record_count,
    bool_or(is_synthetic) as is_synthetic
from stream_spans
group by run_id
order by first_emitted_at
