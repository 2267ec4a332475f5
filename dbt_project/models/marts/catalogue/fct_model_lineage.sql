-- What each bot ran one after the other (model and code), and each training of the second system, with the quality before and
-- after. Gains are above zero when the new one is better.
with repros as (select * from {{ ref('stg_repro') }} where bot is not null),

model_versions as (select * from {{ ref('model_versions') }}),

models as (select * from {{ ref('dim_models') }}),

sessions as (select * from {{ ref('fct_training_sessions') }}),

qualities as (
    select
        bot, grain_key as git_sha, sum(n_used) as n_used, count(*) as symbol_count,
        max(ic_spearman) as ic, max(ece) as ece, max(brier_score) as brier, max(strategy_hit_share) as hit_share
    from {{ ref('mart_prediction_quality') }}
    where grain = 'code_version' and population = 'warm_bars' and horizon_bars = 1
    group by bot, grain_key
),

-- bots name their parts in repro; the identity of each record is that of dim_models, and so is the name where none was logged
deployed as (
    select
        repros.bot,
        coalesce(repros.git_sha, 'unknown') as git_sha,
        models.model_id,
        models.model_name,
        models.features,
        models.hyperparameters_hash,
        models.data_hash,
        models.data_started_at,
        models.data_ended_at,
        min(repros.emitted_at) as first_seen_at,
        max(repros.emitted_at) as last_seen_at,
        count(*) as record_count,
        bool_or(repros.is_synthetic) as is_synthetic
    from repros
    left join model_versions
        on repros.emitted_at >= model_versions.valid_from
        and repros.emitted_at < coalesce(model_versions.valid_until, timestamptz 'infinity')
    inner join models
        on models.source_system = 'metastacker'
        and models.features is not distinct from repros.feature_version
        and models.hyperparameters_hash is not distinct from
            case when repros.null_reasons['hyperparams_hash'] = 'source_default' then '99914b93' else repros.hyperparams_hash end
        and models.data_hash is not distinct from repros.data_hash
        and models.data_started_at is not distinct from repros.configured_train_start_at
        and models.data_ended_at is not distinct from repros.configured_train_end_at
        and models.model_name is not distinct from coalesce(repros.model_version, model_versions.model_version)
    group by all
),

-- quality is known by commit: what several models did at one commit cannot be told apart
commits as (select bot, git_sha, count(*) as model_count from deployed group by bot, git_sha),

judged as (
    select
        commits.bot,
        commits.git_sha,
        commits.model_count,
        qualities.symbol_count,
        qualities.n_used,
        commits.model_count = 1 and qualities.symbol_count = 1 as is_of_one_model_and_symbol,
        qualities.ic,
        qualities.ece,
        qualities.brier,
        qualities.hit_share
    from commits
    left join qualities on commits.bot = qualities.bot and commits.git_sha = qualities.git_sha
),

ordered as (
    select
        *,
        row_number() over in_time as version_no,
        lag(model_id) over in_time as previous_model_id,
        lag(git_sha) over in_time as previous_git_sha,
        lag(model_name) over in_time as previous_model_name,
        lag(features) over in_time as previous_features,
        lag(hyperparameters_hash) over in_time as previous_hyperparameters_hash,
        lag(data_hash) over in_time as previous_data_hash,
        lag(data_started_at) over in_time as previous_data_started_at,
        lag(data_ended_at) over in_time as previous_data_ended_at
    from deployed
    window in_time as (partition by bot order by first_seen_at, git_sha, model_id)
),

bot_lineage as (
    select
        'metastacker' as source_system,
        ordered.bot as subject,
        version_no,
        ordered.model_id,
        model_name,
        ordered.git_sha,
        previous_model_id,
        previous_git_sha,
        case when version_no > 1 then list_filter([
            case when ordered.git_sha is distinct from previous_git_sha then 'code' end,
            case when model_name is distinct from previous_model_name then 'model' end,
            case when features is distinct from previous_features then 'features' end,
            case when hyperparameters_hash is distinct from previous_hyperparameters_hash then 'hyperparameters' end,
            case
                when data_hash is distinct from previous_data_hash
                    or data_started_at is distinct from previous_data_started_at
                    or data_ended_at is distinct from previous_data_ended_at then 'data'
            end
        ], lambda part: part is not null) else [] end as changed_parts,
        first_seen_at,
        last_seen_at,
        record_count,
        before.n_used as n_before,
        after.n_used as n_after,
        case when before.is_of_one_model_and_symbol then before.ic end as ic_before,
        case when after.is_of_one_model_and_symbol then after.ic end as ic_after,
        cast(null as double) as auc_before,
        cast(null as double) as auc_after,
        case when before.is_of_one_model_and_symbol then before.ece end as ece_before,
        case when after.is_of_one_model_and_symbol then after.ece end as ece_after,
        case when before.is_of_one_model_and_symbol then before.brier end as brier_before,
        case when after.is_of_one_model_and_symbol then after.brier end as brier_after,
        case when before.is_of_one_model_and_symbol then before.hit_share end as hit_share_before,
        case when after.is_of_one_model_and_symbol then after.hit_share end as hit_share_after,
        case
            when version_no = 1 then 'first_version'
            when after.model_count > 1 or before.model_count > 1 then 'several_models_at_one_commit'
            when after.symbol_count > 1 or before.symbol_count > 1 then 'several_symbols'
            when coalesce(before.n_used, 0) < {{ var('correlation_min_count') }} then 'too_few_predictions_before'
            when coalesce(after.n_used, 0) < {{ var('correlation_min_count') }} then 'too_few_predictions_after'
        end as delta_null_reason,
        is_synthetic
    from ordered
    left join judged as after on ordered.bot = after.bot and ordered.git_sha = after.git_sha
    left join judged as before on ordered.bot = before.bot and ordered.previous_git_sha = before.git_sha
),

training_lineage as (
    select
        'huracan' as source_system,
        'trainer' as subject,
        row_number() over (order by later.trained_at, later.source_file, later.line_no) as version_no,
        later.model_id,
        later.model_name,
        cast(null as varchar) as git_sha,
        earlier.model_id as previous_model_id,
        cast(null as varchar) as previous_git_sha,
        case when earlier.session_id is not null then list_filter([
            case when later.model_name <> earlier.model_name then 'model' end,
            case when later.feature_names <> earlier.feature_names then 'features' end,
            case when later.hyperparameters_hash <> earlier.hyperparameters_hash then 'hyperparameters' end,
            case
                when later.data_hash is distinct from earlier.data_hash
                    or later.data_started_at is distinct from earlier.data_started_at
                    or later.data_ended_at is distinct from earlier.data_ended_at then 'data'
            end
        ], lambda part: part is not null) else [] end as changed_parts,
        later.trained_at as first_seen_at,
        later.trained_at as last_seen_at,
        1 as record_count,
        earlier.processed_sample_count as n_before,
        later.processed_sample_count as n_after,
        cast(null as double) as ic_before,
        cast(null as double) as ic_after,
        earlier.auc_score as auc_before,
        later.auc_score as auc_after,
        earlier.ece_share as ece_before,
        later.ece_share as ece_after,
        earlier.brier_score as brier_before,
        later.brier_score as brier_after,
        earlier.win_share as hit_share_before,
        later.win_share as hit_share_after,
        later.previous_null_reason as delta_null_reason,
        later.is_synthetic
    from sessions as later
    left join sessions as earlier on later.previous_session_id = earlier.session_id
),

lineage as (select * from bot_lineage union all select * from training_lineage)

select
    md5(source_system || '|' || subject || '|' || version_no) as lineage_id,
    source_system,
    subject,
    version_no,
    model_id,
    model_name,
    git_sha,
    previous_model_id,
    previous_git_sha,
    changed_parts,
    first_seen_at,
    last_seen_at,
    record_count,
    cast(n_before as bigint) as n_before,
    cast(n_after as bigint) as n_after,
    ic_before,
    ic_after,
    case when delta_null_reason is null then ic_after - ic_before end as ic_gain,
    auc_before,
    auc_after,
    case when delta_null_reason is null then auc_after - auc_before end as auc_gain,
    ece_before,
    ece_after,
    case when delta_null_reason is null then ece_before - ece_after end as ece_gain,
    brier_before,
    brier_after,
    case when delta_null_reason is null then brier_before - brier_after end as brier_gain,
    hit_share_before,
    hit_share_after,
    case when delta_null_reason is null then hit_share_after - hit_share_before end as hit_share_gain,
    delta_null_reason,
    is_synthetic
from lineage
