{#
    Moments of returns: CTE `moments` with the `keys`, return_count, mean_return, std_return (sample) and downside_deviation
    (root mean square of the negative returns over all of them, Sortino's denominator). Doubles are summed in order of size, so
    no figure depends on the order of rows. `returns` has the keys and period_return.
#}
{% macro return_moments(returns, keys) -%}
    {%- set key_list = keys | join(', ') -%}
    means as (
        select
            {{ key_list }},
            count(*) as return_count,
            sum(period_return order by period_return) / count(*) as mean_return
        from {{ returns }}
        where period_return is not null
        group by {{ key_list }}
    ),

    squares as (
        select
            {{ key_list }},
            sum(power(period_return - mean_return, 2) order by period_return) as squared_deviation,
            sum(power(least(period_return, 0), 2) order by period_return) as squared_loss
        from {{ returns }}
        inner join means using ({{ key_list }})
        where period_return is not null
        group by {{ key_list }}
    ),

    moments as (
        select
            means.*,
            sqrt(squared_deviation / nullif(return_count - 1, 0)) as std_return,
            sqrt(squared_loss / return_count) as downside_deviation
        from means
        inner join squares using ({{ key_list }})
    )
{%- endmacro %}

{# Why a ratio of `return_count` returns is NULL; NULL when it is not. #}
{% macro ratio_null_reason(return_count, denominator, flat_reason) -%}
    case
        when coalesce({{ return_count }}, 0) < {{ var('risk_min_returns') }} then 'too_few_returns'
        when {{ denominator }} < 1e-12 then '{{ flat_reason }}'
    end
{%- endmacro %}

{# Sharpe or Sortino ratio: mean over deviation, times the root of the periods in a year of 365 days (the market never closes). #}
{% macro annualised_ratio(return_count, mean, deviation, periods_per_year) -%}
    case
        when {{ return_count }} >= {{ var('risk_min_returns') }} and {{ deviation }} >= 1e-12
            then {{ mean }} / {{ deviation }} * sqrt({{ periods_per_year }})
    end
{%- endmacro %}
