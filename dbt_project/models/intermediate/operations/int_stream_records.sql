{{ config(materialized='view') }}
-- All records, with the decision they belong to. Streams without an emission clock take the clock of their burst, and where
-- that was lost the opening of their bar.
{%- set streams = [
    'calibration', 'calibration_log', 'costs', 'ensemble_log', 'execution_log', 'feature_log', 'health', 'kpi_scorecard',
    'market_ingest_log', 'order_intent', 'overlay_status', 'pnl_equity_log', 'repro', 'signals', 'sizing_risk_log',
] %}
{%- for stream in streams %}
select '{{ stream }}' as stream, decision_id, bot, emitted_at, coalesce(emitted_at, bar_open_at) as recorded_at
from {{ ref('stg_' ~ stream) }}
union all
{%- endfor %}
select 'hyperliquid_fills', null, bot, emitted_at, emitted_at
from {{ ref('stg_hyperliquid_fills') }}
