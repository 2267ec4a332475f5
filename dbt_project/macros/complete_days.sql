{#
    Whether a day is complete changes after the day: when the next one begins, or lost records arrive. So daily marts take it from
    mart_day_completeness for the rows they write, and refresh it in all others afterwards.
#}

{# False too where no decision of that bot and day is known. `bot` and `date` are qualified column names. #}
{% macro is_complete_day(bot, date) -%}
    coalesce(
        (select days.is_complete_day from {{ ref('mart_day_completeness') }} as days where days.bot = {{ bot }} and days.date_ist = {{ date }}),
        false
    )
{%- endmacro %}

{# Statement after a model with the columns bot, is_complete_day and `date`. #}
{% macro refresh_complete_days(date) -%}
    {%- set row = this.identifier -%}
    update {{ this }} as {{ row }}
    set is_complete_day = {{ is_complete_day(row ~ '.bot', row ~ '.' ~ date) }}
    where is_complete_day <> {{ is_complete_day(row ~ '.bot', row ~ '.' ~ date) }}
{%- endmacro %}
