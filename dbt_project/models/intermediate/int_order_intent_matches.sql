{{ config(materialized='incremental', incremental_strategy='part', on_schema_change='fail', meta={'part': {'kind': 'bars', 'column': 'bar_open_at'}}) }}
-- order_intent repeats the bar's volume, which the decision's feature_log record holds inside its liquidity score, and the
-- strength and score that its signals record ends with (unless a guard or a forced trade changed them in between).
with records as (
    select
        {{ row_key('raw') }} as row_key,
        record ->> '$.asset' as symbol,
        raw.bar_open_at,
        try_cast(record ->> '$.bar_id_decision' as bigint) as bar_counter,
        round(least(1, try_cast(record ->> '$.market_conditions.volume' as double) / 1000), 6) as fingerprint,
        (
            round(try_cast(record ->> '$.signal_strength' as double), 9),
            try_cast(record ->> '$.reason_codes.band' as boolean)
        ) as detail
    from {{ source('raw', 'order_intent') }} as raw
    where {{ in_part('raw.bar_open_at', 'bars') }}
),

candidates as (
    select
        decisions.decision_id,
        decisions.first_seen_at,
        decisions.symbol,
        decisions.bar_open_at,
        decisions.bar_counter,
        features.volume_share as fingerprint,
        case
            when decisions.intent_strength is not null
                then (round(decisions.intent_strength, 9), abs(decisions.s_model) >= 0.12)
        end as detail
    from {{ ref('int_decisions') }} as decisions
    left join {{ ref('int_feature_log_matches') }} as features on decisions.decision_id = features.decision_id
    where {{ in_part('decisions.bar_open_at', 'bars') }}
),

matches as (
    {{ match_by_content('records', 'candidates', detail=true) }}
)

select row_key, decision_id, method, unattributed_reason, bar_open_at from matches
order by bar_open_at
