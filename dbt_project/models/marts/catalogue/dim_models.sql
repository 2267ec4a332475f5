-- Models by content: the same model, features, hyperparameters and data have the same id wherever they were seen.
with repros as (select * from {{ ref('stg_repro') }}),

model_versions as (select * from {{ ref('model_versions') }}),

sessions as (select * from {{ ref('fct_training_sessions') }}),

placeholders as (select * from {{ ref('placeholder_hashes') }}),

-- staging leaves out the hash of an empty object; here it is named
bot_records as (
    select
        coalesce(repros.model_version, model_versions.model_version) as model_name,
        case when repros.model_version is not null then 'record' when model_versions.model_version is not null then 'configured' end
            as model_name_method,
        repros.feature_version,
        case when repros.null_reasons['hyperparams_hash'] = 'source_default' then '99914b93' else repros.hyperparams_hash end
            as hyperparameters_hash,
        repros.data_hash,
        repros.configured_train_start_at as data_started_at,
        repros.configured_train_end_at as data_ended_at,
        repros.emitted_at,
        repros.bot,
        repros.git_sha,
        repros.is_synthetic
    from repros
    left join model_versions
        on repros.emitted_at >= model_versions.valid_from
        and repros.emitted_at < coalesce(model_versions.valid_until, timestamptz 'infinity')
),

seen as (
    select
        'metastacker' as source_system,
        {{ model_identity(
            "'metastacker'", 'model_name', 'feature_version', 'hyperparameters_hash', 'data_hash', 'data_started_at', 'data_ended_at'
        ) }} as identity_text,
        model_name,
        model_name_method,
        feature_version as features,
        hyperparameters_hash,
        data_hash,
        data_started_at,
        data_ended_at,
        'configured' as data_period_method,
        emitted_at,
        bot as used_by,
        git_sha,
        is_synthetic
    from bot_records
    union all
    select
        'huracan' as source_system,
        identity_text,
        model_name,
        'record' as model_name_method,
        list_aggregate(feature_names, 'string_agg', ',') as features,
        case when is_hyperparameters_placeholder then '99914b93' else left(hyperparameters_hash, 8) end as hyperparameters_hash,
        data_hash,
        data_started_at,
        data_ended_at,
        'record' as data_period_method,
        trained_at as emitted_at,
        cast(null as varchar) as used_by,
        cast(null as varchar) as git_sha,
        is_synthetic
    from sessions
),

grouped as (
    select
        source_system,
        identity_text,
        -- all of these but the method are parts of the identity, so one value each
        max(model_name) as model_name,
        max(model_name_method) as model_name_method,
        max(features) as features,
        max(hyperparameters_hash) as hyperparameters_hash,
        max(data_hash) as data_hash,
        max(data_started_at) as data_started_at,
        max(data_ended_at) as data_ended_at,
        max(data_period_method) as data_period_method,
        min(emitted_at) as first_seen_at,
        max(emitted_at) as last_seen_at,
        count(*) as record_count,
        list(distinct used_by order by used_by) filter (where used_by is not null) as used_by,
        list(distinct git_sha order by git_sha) filter (where git_sha is not null) as git_shas,
        bool_or(is_synthetic) as is_synthetic
    from seen
    group by source_system, identity_text
)

select
    sha256(identity_text) as model_id,
    source_system,
    model_name,
    case when model_name is null then 'not_logged' end as model_name_null_reason,
    model_name_method,
    features,
    grouped.hyperparameters_hash,
    of_hyperparameters.stands_for as hyperparameters_placeholder,
    of_hyperparameters.hash is not null as is_hyperparameters_placeholder,
    data_hash,
    of_data.stands_for as data_placeholder,
    of_data.hash is not null as is_data_placeholder,
    data_started_at,
    data_ended_at,
    data_period_method,
    -- two models whose parts are placeholders may share an id and yet differ
    coalesce(model_name_method = 'record', false) and features is not null
        and grouped.hyperparameters_hash is not null and of_hyperparameters.hash is null
        and data_hash is not null and of_data.hash is null as is_identity_complete,
    identity_text,
    first_seen_at,
    last_seen_at,
    record_count,
    coalesce(used_by, []) as used_by,
    coalesce(git_shas, []) as git_shas,
    is_synthetic
from grouped
left join placeholders as of_hyperparameters on left(grouped.hyperparameters_hash, 8) = of_hyperparameters.hash
left join placeholders as of_data on left(grouped.data_hash, 8) = of_data.hash
