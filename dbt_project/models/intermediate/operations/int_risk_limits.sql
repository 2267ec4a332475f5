{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id"}},
) }}
-- The two limits of the risk budget that were in force for each bot, rule version and day, from the guard catalogue.
with decisions as (select * from {{ ref('fct_decisions') }} where {{ in_runs(bars='bar_open_at') }}),

guards as (
    select * from {{ ref('guards') }}
    where source_system = 'metastacker' and guard in ('daily_stop', 'adv_hour_cap')
),

versions as (
    select bot, run_id, symbol, decided_date_ist as date_ist, max(code_version) as code_version
    from decisions
    group by bot, run_id, symbol, decided_date_ist
)

select
    versions.bot,
    versions.run_id,
    versions.symbol,
    versions.date_ist,
    max(case when guards.guard = 'daily_stop' then cast(guards.limit_hi / 100 as decimal(8, 6)) end) as daily_stop_share,
    max(case when guards.guard = 'adv_hour_cap' then cast(guards.limit_hi as decimal(8, 6)) end) as adv_hour_cap_share
from versions
inner join guards
    on (guards.bots is null or list_contains(string_split(guards.bots, ' '), versions.bot))
    and (guards.code_versions is null or list_contains(string_split(guards.code_versions, ' '), versions.code_version))
    and versions.date_ist >= coalesce(guards.valid_from, date '-infinity')
    and versions.date_ist < coalesce(guards.valid_to, date 'infinity')
group by versions.bot, versions.run_id, versions.symbol, versions.date_ist
order by date_ist
