{#
    Rows of int_metric_measures from a CTE that has date_ist, source_row_count, is_synthetic and one column per measure.
    `measures` maps a measure's name to [value, n] or [value, n, null_reason], all SQL over the CTE; `dimension` names what
    splits the rows besides the bot, `dimension_value` is its SQL.
#}
{% macro measure_rows(cte, source_model, measures, bot='bot', mode='null', dimension=none, dimension_value=none, source_system="'metastacker'") -%}
    select
        {{ source_system }} as source_system,
        cast({{ bot }} as varchar) as bot,
        cast({{ mode }} as varchar) as mode,
        date_ist,
        {{ "'" ~ dimension ~ "'" if dimension else 'cast(null as varchar)' }} as dimension,
        {{ dimension_value or 'cast(null as varchar)' }} as dimension_value,
        entry.measure,
        entry.value,
        entry.n,
        entry.null_reason,
        source_row_count,
        '{{ source_model }}' as source_model,
        is_synthetic
    from (
        select
            *,
            unnest([
                {%- for measure, parts in measures.items() %}
                {
                    'measure': '{{ measure }}',
                    'value': cast({{ parts[0] }} as decimal(38, 12)),
                    'n': coalesce(cast({{ parts[1] }} as bigint), 0),
                    'null_reason': cast({{ parts[2] if parts | length > 2 else 'null' }} as varchar)
                }{{ ',' if not loop.last }}
                {%- endfor %}
            ]) as entry
        from {{ cte }}
    ) as listed
{%- endmacro %}
