-- How trading went per market regime and day, and what trainings say of each regime; averages are weighted by their counts.
with measures as (select * from {{ ref('int_metric_measures') }} where dimension = 'regime'),

sessions as (select * from {{ ref('fct_training_sessions') }}),

updates as (select source_file, line_no, regime_performance from {{ ref('stg_model_update') }}),

summed as (
    select
        source_system,
        'trades' as basis,
        coalesce(bot, mode) as subject,
        dimension_value as regime,
        date_ist,
        cast(date_ist as varchar) as measurement_key,
        sum(value) filter (where measure = 'trade_count') as trade_count,
        sum(value) filter (where measure = 'judged_trade_count') as judged_count,
        sum(value) filter (where measure = 'won_trade_count') as won_count,
        sum(value) filter (where measure = 'return_count') as return_count,
        sum(value) filter (where measure = 'return_bps_sum') as return_bps,
        sum(value) filter (where measure = 'confidence_count') as confidence_count,
        sum(value) filter (where measure = 'confidence_sum') as confidence,
        bool_or(is_synthetic) as is_synthetic
    from measures
    group by all
    having trade_count is not null
),

-- what is written of a regime is free of form: a word where a number belongs was not logged
trained as (
    select
        sessions.*,
        unnest(json_keys(updates.regime_performance)) as regime,
        updates.regime_performance
    from sessions
    inner join updates on sessions.source_file = updates.source_file and sessions.line_no = updates.line_no
),

performances as (
    select
        source_system,
        basis,
        subject,
        regime,
        date_ist,
        measurement_key,
        cast(trade_count as bigint) as n,
        cast(judged_count as bigint) as judged_count,
        {{ ratio('won_count', 'judged_count') }} as win_rate,
        {{ ratio('return_bps', 'return_count') }} as mean_return_bps,
        {{ ratio('confidence', 'confidence_count') }} as mean_confidence_prob,
        cast(null as double) as auc_score,
        is_synthetic
    from summed
    union all
    select
        'huracan',
        'training',
        model_name,
        regime,
        date_ist,
        session_id,
        try_cast(regime_performance -> regime ->> 'n' as bigint),
        try_cast(regime_performance -> regime ->> 'n' as bigint),
        try_cast(regime_performance -> regime ->> 'win_rate' as double),
        try_cast(regime_performance -> regime ->> 'avg_return_bps' as double),
        try_cast(regime_performance -> regime ->> 'avg_confidence' as double),
        try_cast(regime_performance -> regime ->> 'auc' as double),
        is_synthetic
    from trained
)

select
    source_system,
    basis,
    subject,
    regime,
    date_ist,
    measurement_key,
    n,
    judged_count,
    win_rate,
    mean_return_bps,
    mean_confidence_prob,
    auc_score,
    {{ null_reason_map({
        'n': "case when n is null then 'not_logged' end",
        'judged_count': "case when judged_count is null then 'not_logged' end",
        'win_rate': "case when win_rate is null then if(basis = 'training', 'not_logged', 'no_win_and_no_loss') end",
        'mean_return_bps': "case when mean_return_bps is null then if(basis = 'training', 'not_logged', 'no_return') end",
        'mean_confidence_prob': "case when mean_confidence_prob is null then 'not_logged' end",
        'auc_score': "case when auc_score is null then if(basis = 'training', 'not_logged', 'no_training_of_the_regime') end",
    }) }} as null_reasons,
    is_synthetic
from performances
