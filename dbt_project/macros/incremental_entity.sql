{#
    Incremental strategy `entity`: the rows of an entity are rebuilt together or not at all.

    The model has the columns named by `unique_key` (the entity) and `fingerprint`; `meta.entities` names the model with one
    row per entity that exists now, and its fingerprint. In an incremental run the model yields the rows of changed_entities()
    only; what is stored under another fingerprint, or of an entity that is gone, is deleted in the same transaction.
#}
{% macro get_incremental_entity_sql(arguments) -%}
    {%- set entity = arguments['unique_key'] -%}
    {%- set columns = arguments['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    delete from {{ arguments['target_relation'] }} as stored
    where not exists (
        select 1
        from {{ ref(config.require('meta')['entities']) }} as entities
        where entities.{{ entity }} = stored.{{ entity }} and entities.fingerprint = stored.fingerprint
    );

    insert into {{ arguments['target_relation'] }} ({{ columns }})
    select {{ columns }} from {{ arguments['temp_relation'] }}
{%- endmacro %}

{# The entities to build: all of them in a full build, else those that the table does not hold under their present fingerprint. #}
{% macro changed_entities(entities, entity) -%}
    select {{ entity }}, fingerprint
    from {{ entities }}
    {%- if is_incremental() %}
    where ({{ entity }}, fingerprint) not in (select ({{ entity }}, fingerprint) from {{ this }})
    {%- endif %}
{%- endmacro %}
