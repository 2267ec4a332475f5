{{ config(meta={'part': {'kind': 'bars', 'column': 'bar_open_at'}}) }}
with raw as (select * from {{ source('raw', 'order_intent') }} where {{ in_part('bar_open_at', 'bars') }}),

files as (select * from {{ source('raw', 'files') }}),

decisions as (select * from {{ ref('int_decisions') }} where {{ in_part('bar_open_at', 'bars') }}),

matches as (select * from {{ ref('int_order_intent_matches') }} where {{ in_part('bar_open_at', 'bars') }}),

parsed as (
    select
        source_file, line_no, {{ row_key('raw') }} as row_key, record, load_id,
        json_transform(record, '{
            "ts_ist": "VARCHAR", "bar_id_decision": "BIGINT", "asset": "VARCHAR", "side": "VARCHAR",
            "intent_qty": "DOUBLE",
            "reason_codes": {
                "threshold": "BOOLEAN", "band": "BOOLEAN", "spread_guard": "BOOLEAN", "volatility_ok": "BOOLEAN",
                "liquidity_ok": "BOOLEAN", "risk_ok": "BOOLEAN"
            },
            "signal_strength": "DOUBLE", "model_confidence": "DOUBLE", "risk_score": "DOUBLE",
            "market_conditions": {"spread_bps": "DOUBLE", "volatility": "DOUBLE", "funding_rate": "DOUBLE"}
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, row_key, load_id,
        try_cast(fields.ts_ist as timestamptz) as bar_open_at,
        fields.bar_id_decision as bar_counter,
        fields.asset as symbol,
        fields.side as intent_side,
        fields.intent_qty as intent_strength,
        {{ exact_decimal('record', 'intent_notional') }} as intent_notional_usd,
        fields.reason_codes.threshold as is_threshold_passed,
        fields.reason_codes.band as is_band_passed,
        fields.reason_codes.spread_guard as is_spread_guard_passed,
        fields.reason_codes.volatility_ok as is_volatility_passed,
        fields.reason_codes.liquidity_ok as is_liquidity_passed,
        fields.reason_codes.risk_ok as is_risk_passed,
        fields.signal_strength,
        fields.model_confidence,
        fields.risk_score,
        fields.market_conditions.spread_bps,
        fields.market_conditions.volatility,
        {{ exact_decimal('record', 'volume') }} as bar_volume_qty,
        fields.market_conditions.funding_rate
    from parsed
),

attributed as (
    select
        typed.*,
        matches.decision_id,
        decisions.bot,
        matches.method as bot_method,
        decisions.run_id,
        matches.method as run_method,
        matches.unattributed_reason,
        -- no clock in the record: it was written before the burst ended
        decisions.last_seen_at as emitted_at,
        case when decisions.decision_id is not null then 'burst_end' end as emitted_at_method,
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
            'intent_notional_usd': "case when intent_notional_usd = 0 then 'source_default' end",
            'model_confidence': "case when model_confidence = 0 then 'source_default' end",
            'risk_score': "case when risk_score = 0 then 'source_default' end",
            'spread_bps': "case when spread_bps = 0 then 'source_default' end",
            'volatility': "case when volatility = 0 then 'source_default' end",
            'funding_rate': "case when funding_rate = 0 then 'source_default' end",
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
    emitted_at_method,
    {{ date_ist('emitted_at') }} as emitted_date_ist,
    {{ date_utc('emitted_at') }} as emitted_date_utc,
    replica_no,
    is_canonical,
    intent_side,
    intent_strength,
    case when null_reasons['intent_notional_usd'] is null then intent_notional_usd end as intent_notional_usd,
    is_threshold_passed,
    is_band_passed,
    is_spread_guard_passed,
    is_volatility_passed,
    is_liquidity_passed,
    is_risk_passed,
    signal_strength,
    case when null_reasons['model_confidence'] is null then model_confidence end as model_confidence,
    case when null_reasons['risk_score'] is null then risk_score end as risk_score,
    case when null_reasons['spread_bps'] is null then spread_bps end as spread_bps,
    case when null_reasons['volatility'] is null then volatility end as volatility,
    bar_volume_qty,
    case when null_reasons['funding_rate'] is null then funding_rate end as funding_rate,
    null_reasons,
    partition_date,
    is_synthetic,
    load_id
from reasoned
order by bar_open_at
