{{ config(materialized='incremental', incremental_strategy='part', on_schema_change='fail', meta={'part': {'kind': 'bars', 'column': 'bar_open_at'}}) }}
-- feature_log repeats the bar's return, the first model feature of its decision's signals record.
with records as (
    select
        {{ row_key('raw') }} as row_key,
        record ->> '$.asset' as symbol,
        raw.bar_open_at,
        try_cast(record ->> '$.bar_id' as bigint) as bar_counter,
        round(try_cast(record ->> '$.price_change_bps' as double), 6) as fingerprint,
        -- share of 1000 coins that the bar's volume reaches, taken back out of the liquidity score
        round(
            2 * try_cast(record ->> '$.liquidity_score' as double)
            - greatest(0, 1 - try_cast(record ->> '$.spread_bps' as double) / 50),
            6
        ) as volume_share
    from {{ source('raw', 'feature_log') }} as raw
    where {{ in_part('raw.bar_open_at', 'bars') }}
),

candidates as (
    select decision_id, first_seen_at, symbol, bar_open_at, bar_counter, round(1e4 * feature_mom_1, 6) as fingerprint
    from {{ ref('int_decisions') }}
    where {{ in_part('bar_open_at', 'bars') }}
),

matches as (
    {{ match_by_content('records', 'candidates') }}
)

select
    matches.row_key, matches.decision_id, matches.method, matches.unattributed_reason, matches.bar_open_at, records.volume_share
from matches
inner join records using (row_key)
order by bar_open_at
