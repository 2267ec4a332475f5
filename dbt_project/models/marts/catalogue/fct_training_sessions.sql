-- Trainings as the second system reported them. A delta is always "new less old" for scores where more is better and "old
-- less new" for errors, so above zero is better everywhere; the source uses both signs for the same figure.
with updates as (select * from {{ ref('stg_model_update') }}),

parsed as (
    select
        *,
        md5(source_file || '#' || line_no) as session_id,
        list_sort(json_keys(feature_importance)) as feature_names,
        -- the same settings in another order are the same settings
        list_aggregate(
            list_sort([name || '=' || (hyperparameters ->> name) for name in json_keys(hyperparameters)]), 'string_agg', ','
        ) as hyperparameters_text
    from updates
),

identified as (
    select
        *,
        {{ model_identity(
            "'huracan'", 'model_id', "list_aggregate(feature_names, 'string_agg', ',')", 'hyperparameters_text',
            'data_hash', 'data_started_at', 'data_ended_at'
        ) }} as identity_text
    from parsed
),

-- the last training of the named model before this one
paired as (
    select
        later.*,
        earlier.session_id as previous_session_id,
        earlier.emitted_at as previous_trained_at,
        earlier.auc_score as previous_auc,
        earlier.ece_share as previous_ece,
        earlier.brier_score as previous_brier,
        earlier.win_share as previous_win_share,
        earlier.feature_importance as previous_importance,
        earlier.feature_names as previous_feature_names
    from identified as later
    left join identified as earlier
        on later.previous_model_id = earlier.model_id
        and (later.emitted_at, later.source_file, later.line_no) > (earlier.emitted_at, earlier.source_file, earlier.line_no)
    qualify row_number() over (
        partition by later.session_id order by earlier.emitted_at desc, earlier.source_file desc, earlier.line_no desc
    ) = 1
)

select
    session_id,
    emitted_at as trained_at,
    emitted_date_ist as date_ist,
    model_id as model_name,
    sha256(identity_text) as model_id,
    previous_model_id as previous_model_name,
    previous_session_id,
    case
        when previous_model_id is null then 'no_previous_model'
        when previous_session_id is null then 'previous_training_not_seen'
    end as previous_null_reason,
    processed_sample_count,
    total_sample_count,
    {{ ratio('processed_sample_count', 'total_sample_count') }} as processed_share,
    data_started_at,
    data_ended_at,
    data_hash,
    auc_score,
    ece_share,
    mce_share,
    brier_score,
    win_share,
    auc_score - previous_auc as auc_gain,
    previous_ece - ece_share as ece_gain,
    previous_brier - brier_score as brier_gain,
    win_share - previous_win_share as win_share_gain,
    {{ ratio('epoch_us(emitted_at) - epoch_us(previous_trained_at)', '86400e6') }} as days_since_previous,
    case when previous_session_id is not null then
        list_sum([
            cast(abs(
                coalesce(try_cast(feature_importance ->> name as double), 0) - coalesce(try_cast(previous_importance ->> name as double), 0)
            ) as decimal(38, 15))
            for name in list_sort(list_distinct(feature_names || previous_feature_names))
        ])::double
    end as importance_change,
    training_s,
    calibration_method,
    feature_names,
    hyperparameters,
    md5(coalesce(hyperparameters_text, '')) as hyperparameters_hash,
    json_array_length(json_keys(hyperparameters)) = 0 as is_hyperparameters_placeholder,
    identity_text,
    source_file,
    line_no,
    is_synthetic
from paired
