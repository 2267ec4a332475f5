with repros as (select * from {{ ref('stg_repro') }}),

runs as (select * from {{ ref('dim_runs') }}),

decisions as (select run_id, code_version, code_version_method from {{ ref('fct_decisions') }}),

published as (select distinct git_sha from {{ ref('code_versions') }} where git_sha is not null),

logged as (
    select
        git_sha,
        min(emitted_at) as first_emitted_at,
        max(emitted_at) as last_emitted_at,
        count(*) as record_count,
        list(distinct bot order by bot) filter (where bot is not null) as bots,
        list(distinct feature_version order by feature_version) filter (where feature_version is not null) as feature_versions,
        list(distinct model_version order by model_version) filter (where model_version is not null) as model_versions
    from repros
    group by git_sha
),

runs_of_commit as (
    select
        git_sha,
        count(*) as run_count,
        count(*) filter (where run_kind = 'live_paper') as live_run_count,
        cast(sum(decision_count) as bigint) as decision_count
    from runs
    group by git_sha
),

-- which rules of the bot the warehouse applied to the decisions of these runs
rules_of_commit as (
    select
        runs.git_sha,
        list(distinct code_version order by code_version) filter (where code_version is not null) as code_versions,
        list(distinct code_version_method order by code_version_method) filter (where code_version_method is not null) as code_version_methods
    from decisions
    inner join runs on decisions.run_id = runs.run_id
    group by runs.git_sha
),

ordered as (
    select
        *,
        row_number() over (order by first_emitted_at, git_sha) as version_no,
        lag(git_sha) over (order by first_emitted_at, git_sha) as previous_git_sha,
        max(last_emitted_at) over (order by first_emitted_at, git_sha rows between unbounded preceding and 1 preceding) as earlier_last_emitted_at
    from logged
)

select
    ordered.git_sha,
    case when ordered.git_sha is null then 'not_logged' end as git_sha_null_reason,
    version_no,
    first_emitted_at,
    {{ date_ist('first_emitted_at') }} as first_date_ist,
    last_emitted_at,
    {{ date_ist('last_emitted_at') }} as last_date_ist,
    record_count,
    coalesce(runs_of_commit.run_count, 0) as run_count,
    coalesce(runs_of_commit.live_run_count, 0) as live_run_count,
    coalesce(runs_of_commit.decision_count, 0) as decision_count,
    coalesce(bots, []) as bots,
    published.git_sha is not null as is_published_commit,
    coalesce(rules_of_commit.code_versions, []) as code_versions,
    coalesce(rules_of_commit.code_version_methods, []) as code_version_methods,
    coalesce(feature_versions, []) as feature_versions,
    coalesce(model_versions, []) as model_versions,
    case when model_versions is null then 'not_logged' end as model_versions_null_reason,
    previous_git_sha,
    coalesce(first_emitted_at <= earlier_last_emitted_at, false) as is_overlapping_earlier
from ordered
left join runs_of_commit on ordered.git_sha is not distinct from runs_of_commit.git_sha
left join rules_of_commit on ordered.git_sha is not distinct from rules_of_commit.git_sha
left join published on ordered.git_sha = published.git_sha
