-- What was learned on each day with a training.
with sessions as (select * from {{ ref('fct_training_sessions') }}),

counted as (
    select
        date_ist,
        count(*) as session_count,
        count(distinct model_name) as model_count,
        cast(sum(processed_sample_count) as bigint) as processed_sample_count,
        max(auc_score) as best_auc,
        arg_max(model_name, (auc_score, trained_at, session_id)) filter (where auc_score is not null) as best_auc_model,
        min(ece_share) as best_ece,
        arg_min(model_name, (ece_share, trained_at, session_id)) filter (where ece_share is not null) as best_ece_model,
        {{ ratio(exact_sum('auc_gain'), 'count(auc_gain)') }} as mean_auc_gain,
        count(auc_gain) as auc_gain_count,
        count(ece_gain) as ece_gain_count,
        count(previous_session_id) as previous_count,
        {{ ratio(exact_sum('ece_gain'), 'count(ece_gain)') }} as mean_ece_gain,
        arg_max(model_name, (trained_at, source_file, line_no)) as latest_model,
        arg_max({'auc': auc_score}, (trained_at, source_file, line_no)).auc as latest_auc,
        arg_max({'ece': ece_share}, (trained_at, source_file, line_no)).ece as latest_ece,
        arg_max({'n': processed_sample_count}, (trained_at, source_file, line_no)).n as latest_sample_count,
        arg_max({'gain': auc_gain}, (trained_at, source_file, line_no)).gain as latest_auc_gain,
        bool_or(is_synthetic) as is_synthetic
    from sessions
    group by date_ist
),

features as (
    select
        date_ist,
        list(feature_name order by importance_rank) filter (where importance_rank <= 10) as top_features
    from {{ ref('mart_feature_importance_history') }}
    -- of the latest training of the day only
    where session_id in (
        select arg_max(session_id, (trained_at, source_file, line_no)) from sessions group by date_ist
    )
    group by date_ist
),

-- as in mart_day_completeness: the next log record ends a day, the clock of the machine that builds has no say
newest as (
    select max(emitted_at) as newest_emitted_at
    from (
        {%- for stream in ['signal', 'gate_decision', 'trade_exec', 'trade_close', 'model_update', 'gate_adjustment', 'error'] %}
        select max(emitted_at) as emitted_at from {{ ref('stg_' ~ stream) }}
        {{ "union all" if not loop.last }}
        {%- endfor %}
    ) as streams
),

damaged as (
    select distinct try_cast(partition_date as date) as date_ist
    from {{ source('raw', 'files') }}
    where stream = 'model_update' and (rejected > 0 or bytes_damaged > 0)
)

select
    'huracan' as source_system,
    counted.date_ist,
    session_count,
    model_count,
    processed_sample_count,
    best_auc,
    best_auc_model,
    best_ece,
    best_ece_model,
    mean_auc_gain,
    auc_gain_count,
    case when previous_count = 0 then 'no_previous_training' when auc_gain_count = 0 then 'not_logged' end as auc_gain_null_reason,
    mean_ece_gain,
    case when previous_count = 0 then 'no_previous_training' when ece_gain_count = 0 then 'not_logged' end as ece_gain_null_reason,
    latest_model,
    latest_auc,
    latest_ece,
    latest_sample_count,
    latest_auc_gain,
    coalesce(top_features, []) as top_features,
    {{ is_model_ready('latest_auc', 'latest_ece', 'latest_sample_count', 'latest_auc_gain') }} as is_ready,
    coalesce({{ date_ist('newest_emitted_at') }} > counted.date_ist, false) and damaged.date_ist is null as is_complete_day,
    is_synthetic
from counted
cross join newest
left join damaged on counted.date_ist = damaged.date_ist
left join features on counted.date_ist = features.date_ist
