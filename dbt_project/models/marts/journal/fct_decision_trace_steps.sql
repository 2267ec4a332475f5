{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'bars': 'bar_open_at'}},
) }}
-- The steps of a decision: from each record of its burst that has a clock to the next one. A step is named after the record it
-- ends with.
{%- set sources = {
    'calibration_log': 'stg_calibration_log', 'overlay_status': 'stg_overlay_status', 'sizing_risk_log': 'stg_sizing_risk_log',
    'execution_log': 'stg_execution_log', 'costs_attribution': 'stg_costs_attribution', 'costs_breakdown': 'stg_costs_breakdown',
    'signals': 'stg_signals', 'health': 'stg_health', 'repro': 'stg_repro', 'market_ingest_log': 'stg_market_ingest_log',
    'kpi_scorecard': 'stg_kpi_scorecard',
} %}
with decisions as (
    select decision_id, bot, run_id, symbol, bar_open_at, decided_date_ist, run_kind, is_canonical, code_version, is_synthetic
    from {{ ref('fct_decisions') }} where {{ in_runs(bars='bar_open_at') }}
),

bursts as (select decision_id, burst_started_at, burst_ended_at from {{ ref('int_decisions') }} where {{ in_runs(bars='bar_open_at') }}),

names as (select * from {{ ref('trace_steps') }}),

records as (
    select decision_id, 'ensemble_log' as stream, burst_started_at as emitted_at from bursts where burst_started_at is not null
    union all
    select decision_id, 'pnl_equity_log', burst_ended_at from bursts where burst_ended_at is not null
    {%- for stream, model in sources.items() %}
    union all
    select decision_id, '{{ stream }}', emitted_at from {{ ref(model) }}
    where {{ near_part('emitted_at', 0, 'run_days') }} and decision_id in (select decision_id from bursts)
    {%- endfor %}
),

named as (
    select records.*, names.step, names.step_order, names.phase
    from records
    inner join names using (stream)
),

-- of records with the same stamp the bot's own order decides
ordered as (
    select
        *,
        row_number() over burst - 1 as step_no,
        row_number() over (partition by decision_id, step order by emitted_at) as occurrence,
        first_value(emitted_at) over burst as first_emitted_at,
        lag(emitted_at) over burst as started_at,
        lag(step) over burst as after_step
    from named
    window burst as (partition by decision_id order by emitted_at, step_order)
),

-- what lies between model and decision record; a burst that lost one of them has no whole
wholes as (
    select
        decision_id,
        epoch_us(max(emitted_at) filter (where step = 'signal_record'))
        - epoch_us(min(emitted_at) filter (where step = 'model_scored')) as total_us
    from named
    group by decision_id
),

timed as (
    select
        ordered.*,
        epoch_us(emitted_at) - epoch_us(started_at) as duration_us,
        case when phase = 'decision' then wholes.total_us end as total_us
    from ordered
    inner join wholes using (decision_id)
    where ordered.step_no > 0
),

shared as (
    select
        *,
        {{ ratio('duration_us', 'total_us') }} as duration_share,
        row_number() over (partition by decision_id, phase order by duration_us desc, step_no) = 1 as is_slowest_of_phase
    from timed
)

select
    shared.decision_id,
    shared.step_no,
    decisions.bot,
    decisions.run_id,
    decisions.symbol,
    decisions.bar_open_at,
    decisions.decided_date_ist,
    decisions.run_kind,
    decisions.is_canonical,
    decisions.code_version,
    shared.step,
    shared.occurrence,
    shared.after_step,
    shared.stream,
    shared.phase,
    shared.started_at,
    shared.emitted_at as ended_at,
    cast((epoch_us(shared.started_at) - epoch_us(shared.first_emitted_at)) * 0.001 as decimal(18, 3)) as offset_ms,
    cast(shared.duration_us * 0.001 as decimal(18, 3)) as duration_ms,
    shared.duration_share,
    case
        when shared.duration_share is not null then null
        when shared.phase <> 'decision' then 'after_the_decision'
        when shared.total_us is null then 'record_lost'
        else 'no_time_passed'
    end as duration_share_null_reason,
    coalesce(shared.duration_share > {{ var('trace_bottleneck_share') }}, false) as is_bottleneck,
    shared.phase = 'decision' and shared.is_slowest_of_phase as is_slowest,
    decisions.is_synthetic
from shared
inner join decisions on shared.decision_id = decisions.decision_id
order by bar_open_at
