-- What the streams of the second system contribute to the metrics; no rows where those streams are absent.
with signals as (select * from {{ ref('stg_signal') }}),

verdicts as (select * from {{ ref('stg_gate_decision') }}),

executions as (select * from {{ ref('stg_trade_exec') }}),

closes as (select * from {{ ref('stg_trade_close') }}),

sessions as (select * from {{ ref('fct_training_sessions') }}),

signal_counts as (
    select mode, emitted_date_ist as date_ist, count(*) as source_row_count, bool_or(is_synthetic) as is_synthetic
    from signals
    group by mode, emitted_date_ist
),

gate_counts as (
    select
        mode,
        gate,
        emitted_date_ist as date_ist,
        count(*) as source_row_count,
        count(*) filter (where verdict = 'PASS') as pass_count,
        bool_or(is_synthetic) as is_synthetic
    from verdicts
    group by mode, gate, emitted_date_ist
),

execution_sums as (
    select
        mode,
        emitted_date_ist as date_ist,
        count(*) as source_row_count,
        count(expected_px) filter (where size_gbp is not null) as slipped_count,
        {{ exact_sum(ratio("case side when 'BUY' then fill_px - expected_px else expected_px - fill_px end * size_gbp", 'expected_px')) }}
            as slippage_gbp,
        sum(size_gbp) filter (where expected_px is not null) as slipped_gbp,
        bool_or(is_synthetic) as is_synthetic
    from executions
    group by mode, emitted_date_ist
),

close_sums as (
    select
        mode,
        coalesce(regime, 'unknown') as regime,
        emitted_date_ist as date_ist,
        count(*) as source_row_count,
        count(*) filter (where net_pnl_gbp > 0) as won_count,
        count(*) filter (where net_pnl_gbp < 0) as lost_count,
        sum(net_pnl_gbp) as net_pnl_gbp,
        sum(fees_gbp) as fees_gbp,
        count(return_bps) as return_count,
        {{ exact_sum('return_bps') }} as return_bps,
        count(confidence_prob) as confidence_count,
        {{ exact_sum('confidence_prob') }} as confidence,
        sum(epoch_us(closed_at) - epoch_us(opened_at)) / 1e6 as holding_s,
        bool_or(is_synthetic) as is_synthetic
    from closes
    group by mode, coalesce(regime, 'unknown'), emitted_date_ist
),

-- the last training of a model on a day
trainings as (
    select *, count(*) over (partition by model_name, date_ist) as source_row_count
    from sessions
    qualify row_number() over (partition by model_name, date_ist order by trained_at desc, source_file desc, line_no desc) = 1
),

events as (
    {%- for stream in ['signal', 'gate_decision', 'trade_exec', 'trade_close', 'model_update', 'gate_adjustment', 'error'] %}
    select '{{ stream }}' as kind, source_component, emitted_date_ist, is_synthetic from {{ ref('stg_' ~ stream) }}
    {{ "union all" if not loop.last }}
    {%- endfor %}
),

event_counts as (
    select
        source_component,
        emitted_date_ist as date_ist,
        count(*) as source_row_count,
        count(*) filter (where kind = 'error') as error_count,
        bool_or(is_synthetic) as is_synthetic
    from events
    group by source_component, emitted_date_ist
)

{%- set huracan = "'huracan'" %}
{{ measure_rows('signal_counts', 'stg_signal', {'decision_count': ['source_row_count', 'source_row_count']},
    bot='null', mode='mode', source_system=huracan) }}
union all
{{ measure_rows('gate_counts', 'stg_gate_decision', {
    'guard_pass_count': ['pass_count', 'source_row_count'],
    'guard_judged_count': ['source_row_count', 'source_row_count'],
}, bot='null', mode='mode', dimension='guard', dimension_value='gate', source_system=huracan) }}
union all
{{ measure_rows('execution_sums', 'stg_trade_exec', {
    'fill_count': ['source_row_count', 'source_row_count'],
    'slippage_value': ['slippage_gbp', 'slipped_count'],
    'slipped_value': ['slipped_gbp', 'slipped_count'],
}, bot='null', mode='mode', source_system=huracan) }}
union all
{{ measure_rows('close_sums', 'stg_trade_close', {
    'trade_count': ['source_row_count', 'source_row_count'],
    'won_trade_count': ['won_count', 'won_count + lost_count'],
    'lost_trade_count': ['lost_count', 'won_count + lost_count'],
    'judged_trade_count': ['won_count + lost_count', 'won_count + lost_count'],
    'breakeven_trade_count': ['source_row_count - won_count - lost_count', 'source_row_count'],
    'outcome_trade_count': ['source_row_count', 'source_row_count'],
    'net_pnl_gbp': ['net_pnl_gbp', 'source_row_count'],
    'trade_fees_gbp': ['fees_gbp', 'source_row_count'],
    'return_bps_sum': ['return_bps', 'return_count'],
    'return_count': ['return_count', 'return_count'],
    'confidence_sum': ['confidence', 'confidence_count'],
    'confidence_count': ['confidence_count', 'confidence_count'],
    'holding_s_sum': ['holding_s', 'source_row_count'],
}, bot='null', mode='mode', dimension='regime', dimension_value='regime', source_system=huracan) }}
union all
{{ measure_rows('trainings', 'fct_training_sessions', {
    'model_auc': ['auc_score', 'processed_sample_count', "case when auc_score is null then 'not_logged' end"],
    'ece': ['ece_share', 'processed_sample_count', "case when ece_share is null then 'not_logged' end"],
    'brier_score': ['brier_score', 'processed_sample_count', "case when brier_score is null then 'not_logged' end"],
    'model_delta_auc': ['auc_gain', 'processed_sample_count', 'coalesce(previous_null_reason, case when auc_gain is null then \'not_logged\' end)'],
    'model_delta_ece': ['ece_gain', 'processed_sample_count', 'coalesce(previous_null_reason, case when ece_gain is null then \'not_logged\' end)'],
    'training_sample_count': ['processed_sample_count', '1'],
    'training_session_count': ['source_row_count', 'source_row_count'],
    'days_since_update': ['days_since_previous', '1', 'previous_null_reason'],
    'importance_change': ['importance_change', 'len(feature_names)', 'previous_null_reason'],
}, bot='null', dimension='model', dimension_value='model_name', source_system=huracan) }}
union all
{{ measure_rows('event_counts', 'stg_error', {
    'error_event_count': ['error_count', 'source_row_count'],
    'event_count': ['source_row_count', 'source_row_count'],
}, bot='null', dimension='source', dimension_value='source_component', source_system=huracan) }}
