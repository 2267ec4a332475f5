with raw as (select * from {{ source('raw', 'costs') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

decisions as (select * from {{ ref('int_decisions') }} where {{ near_part('first_seen_at', kind='context_days') }}),

matches as (select * from {{ ref('int_cost_matches') }} where {{ in_part('emitted_at') }}),

parsed as (
    select
        source_file, line_no, {{ row_key('raw') }} as row_key, record, emitted_at, load_id,
        json_transform(record, '{
            "ts": "BIGINT", "symbol": "VARCHAR",
            "costs": {
                "ts_ist": "VARCHAR", "asset": "VARCHAR", "bar_id": "BIGINT", "fee_bps": "DOUBLE", "slip_bps": "DOUBLE",
                "impact_k": "DOUBLE", "impact_bps": "DOUBLE", "cost_bps_total": "DOUBLE", "event_id": "VARCHAR"
            },
            "ts_ist": "VARCHAR"
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, row_key, emitted_at, load_id,
        {{ from_epoch_ms("fields.ts") }} as bar_open_at,
        fields.symbol,
        try_cast(fields.costs.ts_ist as timestamptz) as nested_bar_open_at,
        fields.costs.asset as nested_symbol,
        fields.costs.bar_id as bar_counter,
        {{ exact_decimal('record', 'alpha') }} as cum_alpha_usd,
        {{ exact_decimal('record', 'timing') }} as cum_timing_usd,
        {{ exact_decimal('record', 'fees') }} as cum_fees_usd,
        {{ exact_decimal('record', 'impact') }} as cum_impact_usd,
        {{ exact_decimal('record', 'total') }} as cum_logged_total_usd,
        {{ exact_decimal('record', 'trade_notional') }} as trade_notional_usd,
        fields.costs.fee_bps,
        fields.costs.slip_bps,
        fields.costs.impact_k,
        fields.costs.impact_bps,
        {{ exact_decimal('record', 'adv_ref') }} as mean_bar_volume_usd,
        {{ exact_decimal('record', 'cost_usd') }} as cost_ex_slippage_usd,
        fields.costs.cost_bps_total as cost_total_bps,
        {{ exact_decimal('record', 'fee_usd') }} as fee_usd,
        {{ exact_decimal('record', 'slip_usd') }} as slip_usd,
        {{ exact_decimal('record', 'impact_usd') }} as impact_usd,
        fields.costs.event_id,
        coalesce({{ cost_shape('record') }}, 'other') as shape
    from parsed
),

attributed as (
    select
        typed.* replace (coalesce(typed.bar_counter, decisions.bar_counter) as bar_counter),
        matches.decision_id,
        matches.execution_source_file,
        matches.execution_line_no,
        files.path_bot as bot,
        'path' as bot_method,
        matches.run_id,
        matches.run_method,
        matches.unattributed_reason,
        decisions.replica_no,
        coalesce(decisions.is_canonical, false) as is_canonical,
        files.partition_date,
        files.is_synthetic
    from typed
    left join files on typed.source_file = files.source_file
    left join matches on typed.row_key = matches.row_key
    left join decisions on matches.decision_id = decisions.decision_id
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
    execution_source_file,
    execution_line_no,
    shape,
    nested_bar_open_at,
    nested_symbol,
    cum_alpha_usd,
    cum_timing_usd,
    cum_fees_usd,
    cum_impact_usd,
    cum_logged_total_usd,
    trade_notional_usd,
    fee_bps,
    slip_bps,
    impact_k,
    impact_bps,
    mean_bar_volume_usd,
    cost_ex_slippage_usd,
    cost_total_bps,
    fee_usd,
    slip_usd,
    impact_usd,
    event_id,
    partition_date,
    is_synthetic,
    load_id
from attributed
order by emitted_at
