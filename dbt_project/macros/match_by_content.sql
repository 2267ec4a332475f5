{#
    One-to-one matching of records that name no run to decisions, on what both hold; equal keys are paired by rank, file
    order against emission order. `records` has row_key, symbol, bar_open_at, bar_counter, fingerprint; `candidates` has
    decision_id, first_seen_at and the same four. With `detail` both also have a column `detail`, which sharpens the
    fingerprint where it is known. Each pass takes what the passes before left over; the last one serves decisions whose
    fingerprint is unknown because the record that holds it was lost.
    Yields one row per record: row_key, bar_open_at, decision_id, method, unattributed_reason.
#}
{% macro match_by_content(records, candidates, detail=false) -%}
    {%- set exact = ['symbol', 'bar_open_at', 'bar_counter', 'fingerprint', 'detail'] -%}
    {%- set passes = ([{'name': 'content', 'keys': exact, 'only': 'true'}] if detail else []) + [
        {'name': 'content', 'keys': ['symbol', 'bar_open_at', 'bar_counter', 'fingerprint'], 'only': 'fingerprint is not null'},
        {'name': 'content_no_counter', 'keys': ['symbol', 'bar_open_at', 'fingerprint'], 'only': 'fingerprint is not null'},
        {'name': 'bar_counter', 'keys': ['symbol', 'bar_open_at', 'bar_counter'], 'only': 'fingerprint is null'},
    ] -%}
    with pass_0 as (select cast(null as varchar) as row_key, cast(null as varchar) as decision_id, cast(null as varchar) as method where false),
    {%- for pass in passes %}
    {%- set keys = pass['keys'] | join(', ') %}
    records_{{ loop.index }} as (
        select
            *, row_number() over (partition by {{ keys }} order by row_key) as turn,
            count(*) over (partition by {{ keys }}) as alike
        from {{ records }}
        where row_key not in (select row_key from pass_{{ loop.index0 }})
    ),
    candidates_{{ loop.index }} as (
        select
            *, row_number() over (partition by {{ keys }} order by first_seen_at, decision_id) as turn,
            count(*) over (partition by {{ keys }}) as alike
        from {{ candidates }}
        where {{ pass['only'] }} and decision_id not in (select decision_id from pass_{{ loop.index0 }})
    ),
    pass_{{ loop.index }} as (
        select * from pass_{{ loop.index0 }}
        union all
        select
            records.row_key,
            candidates.decision_id,
            case
                when records.alike = 1 and candidates.alike = 1 then '{{ pass["name"] }}'
                when records.alike = candidates.alike then '{{ pass["name"] }}_rank'
                else '{{ pass["name"] }}_rank_uneven'
            end as method
        from records_{{ loop.index }} as records
        inner join candidates_{{ loop.index }} as candidates using ({{ keys }}, turn)
    ),
    {%- endfor %}
    result as (
        select
            records.row_key,
            records.bar_open_at,
            matches.decision_id,
            coalesce(matches.method, 'unattributed') as method,
            case when matches.decision_id is null then 'no decision of this bar has such content' end as unattributed_reason
        from {{ records }} as records
        left join pass_{{ passes | length }} as matches on records.row_key = matches.row_key
    )
    select * from result
{%- endmacro %}
