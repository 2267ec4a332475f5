{# Distance to the binding limit, positive on the passing side. NULL when the value or a limit that is needed is. #}
{% macro guard_margin(value, comparator, limit_lo, limit_hi) -%}
    case
        when {{ comparator }} in ('ge', 'gt') then {{ value }} - {{ limit_lo }}
        when {{ comparator }} in ('le', 'lt') then {{ limit_hi }} - {{ value }}
        -- least() ignores NULL, so both limits are asked for
        when {{ comparator }} = 'between' and {{ limit_lo }} is not null and {{ limit_hi }} is not null
            then least({{ value }} - {{ limit_lo }}, {{ limit_hi }} - {{ value }})
    end
{%- endmacro %}

{# PASS or VETO by the margin; strict comparators veto at the limit itself. NULL when the margin is. #}
{% macro guard_verdict(margin, comparator) -%}
    case
        when {{ margin }} is null then null
        when {{ margin }} > 0 or ({{ margin }} = 0 and {{ comparator }} in ('ge', 'le', 'between')) then 'PASS'
        else 'VETO'
    end
{%- endmacro %}

{# What a logged flag or token says, by the polarity the catalogue gives it. NULL when it says nothing. #}
{% macro logged_guard_verdict(polarity, flag_value, token, flag) -%}
    case {{ polarity }}
        when 'pass_when_true' then case when {{ flag_value }} then 'PASS' when not {{ flag_value }} then 'VETO' end
        when 'veto_when_true' then case when {{ flag_value }} then 'VETO' when not {{ flag_value }} then 'PASS' end
        when 'token_present' then case when {{ token }} = {{ flag }} then 'VETO' end
    end
{%- endmacro %}
