{%- set streams = [
    'calibration', 'calibration_log', 'costs', 'ensemble_log', 'execution_log', 'feature_log', 'health', 'hyperliquid_fills',
    'kpi_scorecard', 'market_ingest_log', 'order_intent', 'overlay_status', 'pnl_equity_log', 'repro', 'signals', 'sizing_risk_log',
] -%}
with staged as (
    {%- for stream in streams %}
    select
        '{{ stream }}' as stream,
        count(*) as staged_count,
        count(*) filter (bot is not null and run_id is not null) as attributed_count
    from {{ ref('stg_' ~ stream) }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

landed as (
    {%- for stream in streams %}
    select '{{ stream }}' as stream, count(*) as raw_count from {{ source('raw', stream) }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
)

select
    staged.stream,
    landed.raw_count,
    staged.staged_count,
    staged.attributed_count,
    staged.staged_count - staged.attributed_count as unattributed_count
from staged
inner join landed using (stream)
