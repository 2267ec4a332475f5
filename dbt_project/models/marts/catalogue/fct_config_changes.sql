-- Every change of a threshold or version that is configured or was logged, oldest first within its subject, with its diff.
with code_versions as (
    select code_version, min(valid_from) as valid_from from {{ ref('code_versions') }} group by code_version
),

first_decisions as (
    select bot, code_version, min(decided_at) as first_seen_at from {{ ref('fct_decisions') }} group by bot, code_version
),

thresholds as (
    select bot, code_version, parameter, value
    from (
        unpivot {{ ref('eligibility_thresholds') }}
        on s_min, m_min, conf_min, alpha_min, p_non_neutral_min, conf_dir_min, strength_min
        into name parameter value value
    ) as unpivoted
),

guard_limits as (
    select guard, code_version, parameter, value
    from (
        unpivot (
            select guard, unnest(string_split(coalesce(code_versions, 'A B C'), ' ')) as code_version, limit_lo, limit_hi
            from {{ ref('guards') }}
            where source_system = 'metastacker'
        )
        on limit_lo, limit_hi
        into name parameter value value
    ) as unpivoted
),

-- a parameter of a version that the next version does not have was dropped; one that is new was added
versioned as (
    select 'eligibility' as subject_kind, bot as subject, parameter, code_version, value from thresholds
    union all
    select 'guard' as subject_kind, guard as subject, parameter, code_version, value from guard_limits
),

grid as (
    select subjects.subject_kind, subjects.subject, subjects.parameter, code_versions.code_version, code_versions.valid_from
    from (select distinct subject_kind, subject, parameter from versioned) as subjects
    cross join code_versions
),

version_changes as (
    select
        grid.subject_kind,
        grid.subject,
        grid.parameter,
        versioned.value as new_value,
        lag(versioned.value) over by_version as old_value,
        grid.code_version as to_version,
        lag(grid.code_version) over by_version as from_version,
        grid.valid_from
    from grid
    left join versioned
        on grid.subject_kind = versioned.subject_kind
        and grid.subject = versioned.subject
        and grid.parameter = versioned.parameter
        and grid.code_version = versioned.code_version
    window by_version as (partition by grid.subject_kind, grid.subject, grid.parameter order by grid.code_version)
    qualify from_version is not null and new_value is distinct from old_value
),

gate_rows as (
    select
        guard as gate,
        bots as mode,
        limit_parameter as parameter,
        coalesce(limit_lo, limit_hi) as limit_value,
        limit_text,
        valid_from,
        pass_rate_before,
        pass_rate_after,
        win_rate_before,
        win_rate_after,
        lag(coalesce(limit_lo, limit_hi)) over by_period as old_value,
        lag(limit_text) over by_period as old_text
    from {{ ref('guards') }}
    where source_system = 'huracan'
    window by_period as (partition by guard, bots, limit_parameter order by valid_from nulls first)
),

-- staging leaves out the hash of an empty object; before and after are what was logged
logged_parts as (
    select
        bot,
        emitted_at,
        source_file,
        line_no,
        is_synthetic,
        unnest([
            {'parameter': 'git_sha', 'part': git_sha},
            {'parameter': 'feature_version', 'part': feature_version},
            {'parameter': 'data_hash', 'part': data_hash},
            {
                'parameter': 'hyperparams_hash',
                'part': case when null_reasons['hyperparams_hash'] = 'source_default' then '99914b93' else hyperparams_hash end
            }
        ], recursive := true)
    from {{ ref('stg_repro') }}
    where bot is not null and is_canonical
),

logged_changes as (
    select *, lag(part) over in_time as old_part
    from logged_parts
    window in_time as (partition by bot, parameter order by emitted_at, source_file, line_no)
    qualify row_number() over in_time > 1 and part is distinct from old_part
),

changes as (
    select
        'metastacker' as source_system,
        'configured' as evidence,
        version_changes.subject_kind,
        version_changes.subject,
        cast(null as varchar) as mode,
        parameter,
        old_value,
        new_value,
        cast(null as varchar) as old_text,
        cast(null as varchar) as new_text,
        cast(valid_from as timestamp) at time zone 'Asia/Kolkata' as effective_at,
        case when valid_from is null then 'version_is_told_by_commit_or_shape_of_record' end as effective_null_reason,
        'from version ' || from_version || ' to ' || to_version as reason,
        first_decisions.first_seen_at,
        cast(null as double) as pass_rate_before,
        cast(null as double) as pass_rate_after,
        cast(null as double) as win_rate_before,
        cast(null as double) as win_rate_after,
        from_version || '-' || to_version as change_key,
        cast(null as boolean) as is_synthetic
    from version_changes
    left join first_decisions
        on version_changes.to_version = first_decisions.code_version
        and version_changes.subject_kind = 'eligibility' and version_changes.subject = first_decisions.bot
    union all
    select
        'huracan', 'configured', 'gate', gate, mode, parameter, old_value, limit_value, old_text, limit_text,
        cast(valid_from as timestamp) at time zone 'UTC', null, 'threshold history of the second system', null,
        pass_rate_before, pass_rate_after, win_rate_before, win_rate_after, cast(valid_from as varchar), null
    from gate_rows
    where valid_from is not null
    union all
    select
        'huracan', 'logged', 'gate', gate, mode, parameter_name, old_value, new_value, null, null,
        effective_at, case when effective_at is null then 'unreadable_timestamp' end, reason, emitted_at,
        null, null, null, null, source_file || '#' || line_no, is_synthetic
    from {{ ref('stg_gate_adjustment') }}
    union all
    select
        'metastacker', 'logged', 'code', bot, null, parameter, null, null, old_part, part,
        emitted_at, null, 'first record that says so', emitted_at,
        null, null, null, null, source_file || '#' || line_no, is_synthetic
    from logged_changes
)

select
    md5(source_system || '|' || evidence || '|' || subject_kind || '|' || subject || '|' || coalesce(mode, '') || '|' || parameter
        || '|' || change_key) as change_id,
    source_system,
    evidence,
    subject_kind,
    subject,
    mode,
    parameter,
    case
        when old_value is null and old_text is null then 'added'
        when new_value is null and new_text is null then 'dropped'
        else 'changed'
    end as change_kind,
    old_value,
    new_value,
    old_text,
    new_text,
    new_value - old_value as difference,
    100 * {{ ratio('new_value - old_value', 'abs(old_value)') }} as difference_pct,
    parameter || ': ' || coalesce(old_text, format('{:.6g}', old_value), 'none') || ' -> '
        || coalesce(new_text, format('{:.6g}', new_value), 'none') as diff,
    effective_at,
    effective_null_reason,
    first_seen_at,
    reason,
    pass_rate_before,
    pass_rate_after,
    win_rate_before,
    win_rate_after,
    is_synthetic
from changes
