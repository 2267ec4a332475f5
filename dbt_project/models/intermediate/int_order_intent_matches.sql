-- order_intent repeats the bar's volume, which the decision's feature_log record holds inside its liquidity score, and the
-- strength and score that its signals record ends with (unless a guard or a forced trade changed them in between).
with records as (
    select
        {{ row_key('raw') }} as row_key,
        record ->> '$.asset' as symbol,
        try_cast(record ->> '$.ts_ist' as timestamptz) as bar_open_at,
        try_cast(record ->> '$.bar_id_decision' as bigint) as bar_counter,
        round(least(1, try_cast(record ->> '$.market_conditions.volume' as double) / 1000), 6) as fingerprint,
        (
            round(try_cast(record ->> '$.signal_strength' as double), 9),
            try_cast(record ->> '$.reason_codes.band' as boolean)
        ) as detail
    from {{ source('raw', 'order_intent') }} as raw
),

signals as (
    select
        {{ row_key('raw') }} as signal_row_key,
        case
            -- no arm: the intent was to hold; what stands in signals then is a forced trade
            when (record ->> '$.decision.details.chosen') is null then 0
            -- an arm, and yet no direction: a guard took it away, the strength before it is unknown
            when (record ->> '$.decision.dir') <> '0' then try_cast(record ->> '$.decision.alpha' as double)
        end as intent_strength
    from {{ source('raw', 'signals') }} as raw
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
            when signals.intent_strength is not null
                then (round(signals.intent_strength, 9), abs(decisions.s_model) >= 0.12)
        end as detail
    from {{ ref('int_decisions') }} as decisions
    left join {{ ref('int_feature_log_matches') }} as features on decisions.decision_id = features.decision_id
    left join signals on decisions.signal_row_key = signals.signal_row_key
),

matches as (
    {{ match_by_content('records', 'candidates', detail=true) }}
)

select row_key, decision_id, method, unattributed_reason from matches
