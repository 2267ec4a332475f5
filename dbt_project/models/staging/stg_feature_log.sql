{{ config(meta={'part': {'kind': 'bars', 'column': 'bar_open_at'}}) }}
with raw as (select * from {{ source('raw', 'feature_log') }} where {{ in_part('bar_open_at', 'bars') }}),

files as (select * from {{ source('raw', 'files') }}),

decisions as (select * from {{ ref('int_decisions') }} where {{ in_part('bar_open_at', 'bars') }}),

matches as (select * from {{ ref('int_feature_log_matches') }} where {{ in_part('bar_open_at', 'bars') }}),

parsed as (
    select
        source_file, line_no, {{ row_key('raw') }} as row_key, record, load_id,
        json_transform(record, '{
            "ts_ist": "VARCHAR", "bar_id": "BIGINT", "asset": "VARCHAR", "mom_3": "DOUBLE", "mr_ema20": "DOUBLE",
            "obi_10": "DOUBLE", "spread_bps": "DOUBLE", "rv_1h": "DOUBLE", "regime_bucket": "VARCHAR",
            "funding_delta": "DOUBLE", "volume_ratio": "DOUBLE", "price_change_bps": "DOUBLE",
            "volatility_regime": "VARCHAR", "liquidity_score": "DOUBLE"
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, row_key, load_id,
        try_cast(fields.ts_ist as timestamptz) as bar_open_at,
        fields.bar_id as bar_counter,
        fields.asset as symbol,
        fields.mom_3,
        fields.mr_ema20,
        fields.obi_10 as order_book_imbalance,
        fields.spread_bps as bar_range_bps,
        fields.rv_1h as realized_vol,
        fields.regime_bucket,
        fields.funding_delta,
        {{ exact_decimal('record', 'adv20') }} as mean_bar_volume_20_qty,
        fields.volume_ratio,
        fields.price_change_bps,
        fields.volatility_regime,
        fields.liquidity_score
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
            'mom_3': "case when mom_3 = 0 and bar_counter < 3 then 'warm_up' end",
            'mr_ema20': "case when mr_ema20 = 0 and bar_counter < 19 then 'warm_up' end",
            'order_book_imbalance': "case when order_book_imbalance = 0 then 'source_default' end",
            'realized_vol': "case when realized_vol = 0 then 'warm_up' end",
            'funding_delta': "case when funding_delta = 0 and bar_counter = 0 then 'warm_up' end",
            'mean_bar_volume_20_qty': "case when mean_bar_volume_20_qty = 0 and bar_counter < 19 then 'warm_up' end",
            'volume_ratio': "case when volume_ratio = 1 and bar_counter < 4 then 'warm_up' end",
            'price_change_bps': "case when price_change_bps = 0 and bar_counter = 0 then 'warm_up' end",
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
    case when null_reasons['mom_3'] is null then mom_3 end as mom_3,
    case when null_reasons['mr_ema20'] is null then mr_ema20 end as mr_ema20,
    case when null_reasons['order_book_imbalance'] is null then order_book_imbalance end as order_book_imbalance,
    bar_range_bps,
    case when null_reasons['realized_vol'] is null then realized_vol end as realized_vol,
    regime_bucket,
    case when null_reasons['funding_delta'] is null then funding_delta end as funding_delta,
    case when null_reasons['mean_bar_volume_20_qty'] is null then mean_bar_volume_20_qty end as mean_bar_volume_20_qty,
    case when null_reasons['volume_ratio'] is null then volume_ratio end as volume_ratio,
    case when null_reasons['price_change_bps'] is null then price_change_bps end as price_change_bps,
    volatility_regime,
    liquidity_score,
    null_reasons,
    partition_date,
    is_synthetic,
    load_id
from reasoned
order by bar_open_at
