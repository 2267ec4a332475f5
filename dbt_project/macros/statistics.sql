{# Quotient that is NULL where it is undefined, never infinite and never NaN. #}
{% macro ratio(numerator, denominator) -%}
    (cast({{ numerator }} as double) / nullif({{ denominator }}, 0))
{%- endmacro %}

{# Sum of doubles that is the same for any order of rows: each addend is rounded once, to 15 decimals. #}
{% macro exact_sum(expression) -%}
    sum(cast({{ expression }} as decimal(38, 15)))
{%- endmacro %}

{# The 97.5 % point of the normal distribution: two-sided 95 % intervals. #}
{% macro z_95() -%}
    1.959963984540054
{%- endmacro %}

{# Bound of the Wilson 95 % interval of a share; `side` is lower or upper. NULL when the share has no denominator. #}
{% macro wilson_bound(successes, trials, side) -%}
    {%- set z = z_95() -%}
    case when {{ trials }} > 0 then
        least(1.0, greatest(0.0, (
            {{ successes }} + {{ z }} * {{ z }} / 2
            {{ '-' if side == 'lower' else '+' }} {{ z }} * sqrt(
                {{ successes }} * (1 - {{ successes }} / {{ trials }}) + {{ z }} * {{ z }} / 4
            )
        ) / ({{ trials }} + {{ z }} * {{ z }})))
    end
{%- endmacro %}

{# Correlation from the exact integer sums of a group, NULL below `minimum` pairs or when a side is constant.
   One rounding at the end, so it does not depend on the order of rows. #}
{% macro correlation(n, sum_x, sum_y, sum_xx, sum_yy, sum_xy, minimum) -%}
    case
        when {{ n }} >= {{ minimum }}
            and {{ n }} * {{ sum_xx }} > {{ sum_x }} * {{ sum_x }}
            and {{ n }} * {{ sum_yy }} > {{ sum_y }} * {{ sum_y }}
            then greatest(-1.0, least(1.0,
                cast({{ n }} * {{ sum_xy }} - {{ sum_x }} * {{ sum_y }} as double)
                / sqrt(cast({{ n }} * {{ sum_xx }} - {{ sum_x }} * {{ sum_x }} as double))
                / sqrt(cast({{ n }} * {{ sum_yy }} - {{ sum_y }} * {{ sum_y }} as double))
            ))
    end
{%- endmacro %}

{# Bound of the 95 % interval of a correlation on Fisher's scale. Standard error for Pearson 1 / sqrt(n - 3); for Spearman
   sqrt((1 + r^2 / 2) / (n - 3)) (Bonett and Wright 2000). NULL for n <= 3 and for a perfect correlation. #}
{% macro correlation_bound(r, n, side, method) -%}
    {%- set inflation = '1' if method == 'pearson' else '(1 + ' ~ r ~ ' * ' ~ r ~ ' / 2)' -%}
    case when {{ n }} > 3 and abs({{ r }}) < 1 then
        tanh(atanh({{ r }}) {{ '-' if side == 'lower' else '+' }} {{ z_95() }} * sqrt({{ inflation }} / ({{ n }} - 3)))
    end
{%- endmacro %}
