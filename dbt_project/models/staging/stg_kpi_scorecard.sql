with raw as (select * from {{ source('raw', 'kpi_scorecard') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

decisions as (select * from {{ ref('int_decisions') }} where {{ near_part('first_seen_at', kind='context_days') }}),

matches as (select * from {{ ref('int_run_record_matches') }} where stream = 'kpi_scorecard' and {{ in_part('emitted_at') }}),

parsed as (
    select
        source_file, line_no, {{ row_key('raw') }} as row_key, record, emitted_at, load_id,
        json_transform(record, '{
            "run_id": "VARCHAR", "asset": "VARCHAR", "event": "VARCHAR", "Sharpe_1w": "DOUBLE",
            "max_DD_pct": "DOUBLE", "turnover_bps_day": "DOUBLE", "in_band_share": "DOUBLE",
            "gates": {
                "sharpe_pass": "BOOLEAN", "dd_pass": "BOOLEAN", "turnover_pass": "BOOLEAN", "cost_pass": "BOOLEAN"
            },
            "ts_ist": "VARCHAR", "schema_v": "VARCHAR", "bar_id": "BIGINT"
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, row_key, emitted_at, load_id,
        fields.run_id,
        fields.asset as symbol,
        fields.event as event_name,
        fields."Sharpe_1w" as sharpe_1w,
        fields."max_DD_pct" as max_drawdown_pct,
        fields.turnover_bps_day as turnover_bps_per_day,
        fields.in_band_share as in_no_trade_band_share,
        fields.gates.sharpe_pass as is_sharpe_gate_passed,
        fields.gates.dd_pass as is_drawdown_gate_passed,
        fields.gates.turnover_pass as is_turnover_gate_passed,
        fields.gates.cost_pass as is_cost_gate_passed,
        fields.schema_v as schema_version,
        fields.bar_id as llm_bar_id
    from parsed
),

attributed as (
    select
        typed.*,
        matches.decision_id,
        decisions.bot,
        matches.bot_method,
        'record' as run_method,
        matches.unattributed_reason,
        decisions.bar_open_at,
        decisions.bar_counter,
        decisions.replica_no,
        coalesce(decisions.is_canonical, false) as is_canonical,
        files.partition_date,
        files.is_synthetic
    from typed
    left join files on typed.source_file = files.source_file
    left join matches on typed.row_key = matches.row_key
    left join decisions on matches.decision_id = decisions.decision_id
),

-- values by which the source means "no input"
reasoned as (
    select
        *,
        {{ null_reason_map({
            'max_drawdown_pct': "case when max_drawdown_pct = 0 then 'source_default' end",
            'in_no_trade_band_share': "case when in_no_trade_band_share = 0 then 'source_default' end",
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
    event_name,
    sharpe_1w,
    case when null_reasons['max_drawdown_pct'] is null then max_drawdown_pct end as max_drawdown_pct,
    turnover_bps_per_day,
    case when null_reasons['in_no_trade_band_share'] is null then in_no_trade_band_share end as in_no_trade_band_share,
    is_sharpe_gate_passed,
    is_drawdown_gate_passed,
    is_turnover_gate_passed,
    is_cost_gate_passed,
    schema_version,
    llm_bar_id,
    null_reasons,
    partition_date,
    is_synthetic,
    load_id
from reasoned
order by emitted_at
