with raw as (select * from {{ source('raw', 'model_update') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

parsed as (
    select
        source_file, line_no, emitted_at, load_id,
        json_transform(record, '{
            "event_version": "BIGINT", "event_id": "VARCHAR", "source": "VARCHAR", "priority": "VARCHAR",
            "model_id": "VARCHAR", "previous_model_id": "VARCHAR", "samples_processed": "BIGINT", "samples_total": "BIGINT",
            "data_from": "VARCHAR", "data_until": "VARCHAR", "data_hash": "VARCHAR", "auc": "DOUBLE", "ece": "DOUBLE",
            "mce": "DOUBLE", "brier": "DOUBLE", "win_rate": "DOUBLE", "duration_s": "DOUBLE",
            "calibration_method": "VARCHAR", "hyperparameters": "JSON", "feature_importance": "JSON",
            "calibration_bins": "JSON", "regime_performance": "JSON"
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, emitted_at, load_id,
        fields.event_version as schema_version,
        fields.event_id,
        fields."source" as source_component,
        fields.priority,
        fields.model_id,
        fields.previous_model_id,
        fields.samples_processed as processed_sample_count,
        fields.samples_total as total_sample_count,
        try_cast(fields.data_from as timestamptz) as data_started_at,
        try_cast(fields.data_until as timestamptz) as data_ended_at,
        fields.data_hash,
        fields.auc as auc_score,
        fields.ece as ece_share,
        fields.mce as mce_share,
        fields.brier as brier_score,
        fields.win_rate as win_share,
        fields.duration_s as training_s,
        fields.calibration_method,
        fields.hyperparameters,
        fields.feature_importance,
        fields.calibration_bins,
        fields.regime_performance
    from parsed
)

select
    typed.source_file,
    typed.line_no,
    typed.emitted_at,
    {{ date_ist('typed.emitted_at') }} as emitted_date_ist,
    {{ date_utc('typed.emitted_at') }} as emitted_date_utc,
    schema_version,
    event_id,
    source_component,
    priority,
    model_id,
    previous_model_id,
    processed_sample_count,
    total_sample_count,
    data_started_at,
    data_ended_at,
    data_hash,
    auc_score,
    ece_share,
    mce_share,
    brier_score,
    win_share,
    training_s,
    calibration_method,
    hyperparameters,
    feature_importance,
    calibration_bins,
    regime_performance,
    files.partition_date,
    files.is_synthetic,
    typed.load_id
from typed
left join files on typed.source_file = files.source_file
order by emitted_at
