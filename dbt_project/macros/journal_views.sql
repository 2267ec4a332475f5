{# A view names the relations of its own database by schema only: a view that names the database breaks in a published copy
   of the file, which has another name. #}
{% macro duckdb__create_view_as(relation, sql) -%}
    {%- set contract_config = config.get('contract') -%}
    {%- if contract_config.enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif -%}
    create view {{ relation }} as (
        {{ sql | replace('"' ~ relation.database ~ '".', '') }}
    );
{%- endmacro %}
