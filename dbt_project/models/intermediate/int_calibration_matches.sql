{{ config(materialized='incremental', incremental_strategy='part', on_schema_change='fail', meta={'part': {'kind': 'bars', 'column': 'bar_open_at'}}) }}
-- calibration repeats the model score of its decision's signals record.
with records as (
    select
        {{ row_key('raw') }} as row_key,
        record ->> '$.asset' as symbol,
        raw.bar_open_at,
        try_cast(record ->> '$.bar_id' as bigint) as bar_counter,
        round(try_cast(record ->> '$.pred_raw_bps' as double), 6) as fingerprint
    from {{ source('raw', 'calibration') }} as raw
    where {{ in_part('raw.bar_open_at', 'bars') }}
),

candidates as (
    select decision_id, first_seen_at, symbol, bar_open_at, bar_counter, round(1e4 * s_model, 6) as fingerprint
    from {{ ref('int_decisions') }}
    where {{ in_part('bar_open_at', 'bars') }}
),

matches as (
    {{ match_by_content('records', 'candidates') }}
)

select row_key, decision_id, method, unattributed_reason, bar_open_at from matches
order by bar_open_at
