{#
    The parts of tables that a build reads and writes (macro build_plan says which). A model that is cut by them is
    `incremental` with the strategy `part`; `meta.part` names the kind of cut and the column it is made on:

    days        rows whose `column` lies in one of the plan's IST days
    bars        rows whose `column` is the opening of one of the plan's bars
    fill_days   rows whose `column` lies in one of the plan's days of execution

    Its SQL takes its rows with in_part(), and what it needs around them with near_part(). In a full build both are true.
#}

{% macro get_incremental_part_sql(arguments) -%}
    {%- set part = config.require('meta')['part'] -%}
    {%- set columns = arguments['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    delete from {{ arguments['target_relation'] }} where {{ in_part(part['column'], part['kind']) }};

    insert into {{ arguments['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arguments['temp_relation'] }}
{%- endmacro %}

{# True for the rows that this build writes: `column` is an instant. #}
{% macro in_part(column, kind='days') -%}
    {%- if not is_partial() -%} true
    {%- elif kind == 'bars' -%} {{ column }} in (select bar_open_at from build.bars)
    {%- else -%} {{ in_ranges(column, kind, 0) }}
    {%- endif -%}
{%- endmacro %}

{# True for those rows and for all within `hours` of their days. #}
{% macro near_part(column, hours=1, kind='days') -%}
    {%- if not is_partial() -%} true
    {%- else -%} {{ in_ranges(column, kind, hours) }}
    {%- endif -%}
{%- endmacro %}

{# False where the whole table is built: in a full build, for a table that is not there yet, in a unit test. #}
{% macro is_partial() -%}
    {%- if not execute or model.resource_type != 'model' or not is_incremental() -%} {{ return(false) }} {%- endif -%}
    {{ return(not run_query("select is_full from build.state").rows[0][0]) }}
{%- endmacro %}

{# Neighbouring days as one range, as literals: only these let DuckDB skip the rest of a table without reading it. #}
{% macro in_ranges(column, kind, hours) -%}
    {%- set ranges = run_query(
        "select min(date_ist), max(date_ist) + 1 from (select date_ist, date_ist - cast(row_number() over (order by date_ist) as integer) as island"
        ~ " from build." ~ kind ~ ") group by island order by island"
    ) -%}
    (
    {%- for first, end in ranges.rows %}
        {{- " or " if not loop.first -}}
        {{ column }} >= timestamptz '{{ first }} 00:00:00+05:30' - interval {{ hours }} hours
        and {{ column }} < timestamptz '{{ end }} 00:00:00+05:30' + interval {{ hours }} hours
    {%- else %}false
    {%- endfor -%}
    )
{%- endmacro %}
