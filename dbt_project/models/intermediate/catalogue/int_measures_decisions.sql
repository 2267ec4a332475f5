-- What decisions and guards contribute to the metrics: live runs, one replica per bar.
with decisions as (
    select *, coalesce(volatility_regime, 'unknown') as regime
    from {{ ref('fct_decisions') }}
    where run_kind = 'live_paper' and is_canonical
),

guards as (
    select *, decided_date_ist as date_ist, evaluation_count as source_row_count
    from {{ ref('mart_guard_daily') }}
    where run_kind = 'live_paper' and population = 'canonical'
),

decision_sums as (
    select
        bot,
        decided_date_ist as date_ist,
        regime,
        count(*) as source_row_count,
        count(*) filter (where not is_complete) as incomplete_count,
        count(*) filter (where is_eligible) as eligible_count,
        count(is_eligible) as judged_count,
        count(*) filter (where intent_side <> 'HOLD') as intent_count,
        count(intent_side) as intent_known_count,
        count(*) filter (where is_blocked) as blocked_count,
        count(is_blocked) as block_known_count,
        count(*) filter (where is_blocked and is_causal) as causal_block_count,
        count(*) filter (where is_forced) as forced_count,
        count(*) filter (where is_eligibility_reproduced) as reproduced_count,
        count(is_eligibility_reproduced) as reproducible_count,
        count(*) filter (where pred_cal_bps_at_entry is not null) as calibrated_count,
        count(*) filter (where is_tradable_at_entry) as tradable_count,
        count(is_tradable_at_entry) as banded_count,
        cast(sum(execution_count) as bigint) as execution_count,
        cast(sum(replica_count) as bigint) as replica_count,
        sum(epoch_us(decided_at) - epoch_us(bar_close_at)) / 1000.0 as decision_lag_ms,
        count(decided_at) as timed_count,
        count(realized_vol) as vol_count,
        {{ exact_sum('realized_vol') }} as realized_vol,
        count(bar_range_bps) as range_count,
        {{ exact_sum('bar_range_bps') }} as bar_range_bps,
        count(volume_ratio) as volume_count,
        {{ exact_sum('volume_ratio') }} as volume_ratio,
        count(funding_rate) as funding_count,
        {{ exact_sum('funding_rate') }} as funding_rate,
        count(quoted_spread_bps) as spread_count,
        {{ exact_sum('quoted_spread_bps') }} as quoted_spread_bps,
        bool_or(is_synthetic) as is_synthetic
    from decisions
    group by bot, decided_date_ist, regime
)

{{ measure_rows('decision_sums', 'fct_decisions', {
    'decision_count': ['source_row_count', 'source_row_count'],
    'incomplete_decision_count': ['incomplete_count', 'source_row_count'],
    'eligible_decision_count': ['eligible_count', 'judged_count'],
    'eligibility_known_count': ['judged_count', 'judged_count'],
    'intent_count': ['intent_count', 'intent_known_count'],
    'intent_known_count': ['intent_known_count', 'intent_known_count'],
    'blocked_decision_count': ['blocked_count', 'block_known_count'],
    'block_known_count': ['block_known_count', 'block_known_count'],
    'causal_block_count': ['causal_block_count', 'blocked_count'],
    'forced_decision_count': ['forced_count', 'source_row_count'],
    'reproduced_decision_count': ['reproduced_count', 'reproducible_count'],
    'reproducible_decision_count': ['reproducible_count', 'reproducible_count'],
    'calibrated_decision_count': ['calibrated_count', 'source_row_count'],
    'tradable_decision_count': ['tradable_count', 'banded_count'],
    'banded_decision_count': ['banded_count', 'banded_count'],
    'execution_count': ['execution_count', 'source_row_count'],
    'replica_count': ['replica_count', 'source_row_count'],
    'decision_lag_ms_sum': ['decision_lag_ms', 'timed_count'],
    'timed_decision_count': ['timed_count', 'timed_count'],
    'realized_vol_sum': ['realized_vol', 'vol_count'],
    'realized_vol_count': ['vol_count', 'vol_count'],
    'bar_range_bps_sum': ['bar_range_bps', 'range_count'],
    'bar_range_bps_count': ['range_count', 'range_count'],
    'volume_ratio_sum': ['volume_ratio', 'volume_count'],
    'volume_ratio_count': ['volume_count', 'volume_count'],
    'funding_rate_sum': ['funding_rate', 'funding_count'],
    'funding_rate_count': ['funding_count', 'funding_count'],
    'quoted_spread_bps_sum': ['quoted_spread_bps', 'spread_count'],
    'quoted_spread_bps_count': ['spread_count', 'spread_count'],
}, dimension='regime', dimension_value='regime') }}
union all
{{ measure_rows('guards', 'mart_guard_daily', {
    'guard_pass_count': ['pass_count', 'judged_count'],
    'guard_judged_count': ['judged_count', 'judged_count'],
    'guard_unknown_count': ['unknown_count', 'evaluation_count'],
    'guard_evaluation_count': ['evaluation_count', 'evaluation_count'],
    'guard_disagreeing_count': ['disagreeing_count', 'evaluation_count'],
    'guard_primary_veto_count': ['primary_veto_count', 'evaluation_count'],
}, dimension='guard', dimension_value='guard') }}
