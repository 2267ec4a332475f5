{# Instant of a count of milliseconds since the epoch; NULL outside the years 1 to 9999, where it cannot be meant. #}
{% macro from_epoch_ms(milliseconds) -%}
    case when {{ milliseconds }} between -62135596800000 and 253402300799999 then make_timestamptz({{ milliseconds }} * 1000) end
{%- endmacro %}

{# Bar open (or fill time) that the source put in front of its event ids: "<ms>:<asset>:<topic>:<hash>". NULL when it is none. #}
{% macro event_id_instant(event_id) -%}
    {{ from_epoch_ms("try_cast(split_part(" ~ event_id ~ ", ':', 1) as bigint)") }}
{%- endmacro %}

{# Length of the bars of a bot: its name is its bar interval (5m, 1h, 12h, 24h). #}
{% macro bar_length(bot) -%}
    try_cast({{ bot }} as interval)
{%- endmacro %}

{% macro date_ist(instant) -%}
    cast({{ instant }} at time zone 'Asia/Kolkata' as date)
{%- endmacro %}

{% macro date_utc(instant) -%}
    cast({{ instant }} at time zone 'UTC' as date)
{%- endmacro %}
