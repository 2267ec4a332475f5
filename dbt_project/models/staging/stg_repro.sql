with raw as (select * from {{ source('raw', 'repro') }} where {{ in_part('emitted_at') }}),

files as (select * from {{ source('raw', 'files') }}),

decisions as (select * from {{ ref('int_decisions') }} where {{ near_part('first_seen_at', kind='context_days') }}),

matches as (select * from {{ ref('int_repro_matches') }} where {{ in_part('emitted_at') }}),

parsed as (
    select
        source_file, line_no, {{ row_key('raw') }} as row_key, record, emitted_at, load_id,
        json_transform(record, '{
            "ts": "BIGINT", "symbol": "VARCHAR",
            "repro": {
                "ts_ist": "VARCHAR", "git_sha": "VARCHAR", "model_version": "VARCHAR", "feature_version": "VARCHAR",
                "seed": "BIGINT", "train_start_ist": "VARCHAR", "train_end_ist": "VARCHAR",
                "hyperparams_hash": "VARCHAR", "data_hash": "VARCHAR", "adv_method": "VARCHAR"
            },
            "ts_ist": "VARCHAR"
        }') as fields
    from raw
),

typed as (
    select
        source_file, line_no, row_key, emitted_at, load_id,
        {{ from_epoch_ms("fields.ts") }} as bar_open_at,
        fields.symbol,
        try_cast(fields.repro.ts_ist as timestamptz) as nested_bar_open_at,
        fields.repro.git_sha,
        fields.repro.model_version,
        fields.repro.feature_version,
        fields.repro.seed as random_seed,
        try_cast(fields.repro.train_start_ist as timestamptz) as configured_train_start_at,
        try_cast(fields.repro.train_end_ist as timestamptz) as configured_train_end_at,
        fields.repro.hyperparams_hash,
        fields.repro.data_hash,
        fields.repro.adv_method
    from parsed
),

attributed as (
    select
        typed.*,
        matches.decision_id,
        decisions.bot,
        matches.method as bot_method,
        decisions.run_id,
        matches.method as run_method,
        matches.unattributed_reason,
        decisions.bar_counter,
        decisions.replica_no,
        coalesce(decisions.is_canonical, false) as is_canonical,
        files.partition_date,
        files.is_synthetic
    from typed
    left join files on typed.source_file = files.source_file
    left join matches on typed.row_key = matches.row_key
    left join decisions on matches.decision_id = decisions.decision_id
),

-- values by which the source means "no input"
reasoned as (
    select
        *,
        {{ null_reason_map({
            'hyperparams_hash': "case when hyperparams_hash = '99914b93' then 'source_default' end",
        }) }} as null_reasons
    from attributed
)

select
    source_file,
    line_no,
    decision_id,
    bot,
    bot_method,
    run_id,
    run_method,
    unattributed_reason,
    symbol,
    bar_open_at,
    bar_open_at + {{ bar_length('bot') }} as bar_close_at,
    bar_counter,
    emitted_at,
    {{ date_ist('emitted_at') }} as emitted_date_ist,
    {{ date_utc('emitted_at') }} as emitted_date_utc,
    replica_no,
    is_canonical,
    nested_bar_open_at,
    git_sha,
    model_version,
    feature_version,
    random_seed,
    configured_train_start_at,
    configured_train_end_at,
    case when null_reasons['hyperparams_hash'] is null then hyperparams_hash end as hyperparams_hash,
    data_hash,
    adv_method,
    null_reasons,
    partition_date,
    is_synthetic,
    load_id
from reasoned
order by emitted_at
