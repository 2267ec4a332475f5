-- How many records of each stream belong to each decision; records of no decision are counted by bot and day.
{%- set streams = [
    'calibration', 'calibration_log', 'costs', 'ensemble_log', 'execution_log', 'feature_log', 'health', 'kpi_scorecard',
    'market_ingest_log', 'order_intent', 'overlay_status', 'pnl_equity_log', 'repro', 'signals', 'sizing_risk_log',
] %}
with records as (
    {%- for stream in streams %}
    select
        '{{ stream }}' as stream,
        decision_id,
        case when decision_id is null then bot end as bot,
        case when decision_id is null then coalesce(emitted_date_ist, {{ date_ist('bar_open_at') }}) end as date_ist,
        count(*) as record_count
    from {{ ref('stg_' ~ stream) }}
    group by all
    union all
    {%- endfor %}
    select
        'hyperliquid_fills' as stream, cast(null as varchar) as decision_id, bot, emitted_date_ist as date_ist, count(*) as record_count
    from {{ ref('stg_hyperliquid_fills') }}
    group by all
)

select stream, decision_id, bot, date_ist, record_count
from records
