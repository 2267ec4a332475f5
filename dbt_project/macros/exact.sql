{# A DECIMAL(28,10) as a whole number of its last places, for exact integer arithmetic. #}
{% macro to_units(value) -%}
    cast({{ value }} * 10000000000 as hugeint)
{%- endmacro %}

{# The DECIMAL(28,10) that is so many 1e-10. #}
{% macro from_units(units) -%}
    cast(cast({{ units }} as decimal(38, 0)) * cast(0.0000000001 as decimal(11, 10)) as decimal(28, 10))
{%- endmacro %}

{# numerator / denominator of whole numbers (denominator > 0), rounded half to even like Python's decimal module; NULL when
   the denominator is 0. Decimal division in DuckDB goes through doubles. #}
{% macro divide_half_even(numerator, denominator) -%}
    sign({{ numerator }}) * (
        abs({{ numerator }}) // nullif({{ denominator }}, 0)
        + case
            when 2 * (abs({{ numerator }}) % nullif({{ denominator }}, 0)) > {{ denominator }} then 1
            when 2 * (abs({{ numerator }}) % nullif({{ denominator }}, 0)) = {{ denominator }}
                then (abs({{ numerator }}) // nullif({{ denominator }}, 0)) % 2
            else 0
        end
    )
{%- endmacro %}

{# The share of an amount that falls on `part` of `whole`, all DECIMAL(28,10), rounded at 1e-10. Differences of the shares of
   growing parts are pieces that add up to the amount exactly: what rounding leaves is in the last piece. #}
{% macro exact_share(amount, part, whole) -%}
    {{ from_units(divide_half_even(to_units(amount) ~ ' * ' ~ to_units(part), to_units(whole))) }}
{%- endmacro %}

{# Volume-weighted price, rounded at 1e-10: `notional_units` is the sum of to_units(price) * to_units(quantity). #}
{% macro exact_vwap(notional_units, qty) -%}
    {{ from_units(divide_half_even(notional_units, to_units(qty))) }}
{%- endmacro %}
