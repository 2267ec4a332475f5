-- Importance of each feature at each training against the training of the model before. A feature that was not there has no
-- former rank (the source invents rank 999 for it).
with sessions as (select * from {{ ref('fct_training_sessions') }}),

updates as (select source_file, line_no, feature_importance from {{ ref('stg_model_update') }}),

importances as (
    select
        sessions.session_id,
        sessions.previous_session_id,
        sessions.trained_at,
        sessions.date_ist,
        sessions.model_id,
        sessions.model_name,
        sessions.is_synthetic,
        unnest(sessions.feature_names) as feature_name,
        updates.feature_importance
    from sessions
    inner join updates on sessions.source_file = updates.source_file and sessions.line_no = updates.line_no
),

valued as (
    select * exclude (feature_importance), try_cast(feature_importance ->> feature_name as double) as importance from importances
),

ranked as (
    select *, row_number() over (partition by session_id order by importance desc nulls last, feature_name) as importance_rank
    from valued
)

select
    later.session_id,
    later.feature_name,
    later.trained_at,
    later.date_ist,
    later.model_id,
    later.model_name,
    later.importance,
    later.importance_rank,
    earlier.importance as previous_importance,
    earlier.importance_rank as previous_rank,
    later.importance - earlier.importance as importance_change,
    -- above zero when the feature rose
    earlier.importance_rank - later.importance_rank as rank_gain,
    later.previous_session_id is not null and earlier.session_id is null as is_new_feature,
    case
        when later.previous_session_id is null then 'no_previous_training'
        when earlier.session_id is null then 'new_feature'
        when earlier.importance is null then 'not_logged'
    end as previous_null_reason,
    later.is_synthetic
from ranked as later
left join ranked as earlier on later.previous_session_id = earlier.session_id and later.feature_name = earlier.feature_name
