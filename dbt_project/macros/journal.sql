{# A number as people read it: six significant digits. NULL stays NULL. #}
{% macro readable(number) -%}
    printf('%.6g', cast({{ number }} as double))
{%- endmacro %}

{# A template with its placeholders filled in; a placeholder whose text is NULL vanishes. `texts` is a dict: placeholder -> SQL. #}
{% macro filled(template, texts) -%}
    {%- set ns = namespace(sql=template) -%}
    {%- for placeholder, text in texts.items() -%}
        {%- set ns.sql = "replace(" ~ ns.sql ~ ", '{" ~ placeholder ~ "}', coalesce(" ~ text ~ ", ''))" -%}
    {%- endfor -%}
    {{ ns.sql }}
{%- endmacro %}

{# The columns of the win rate views; the same in each. Sums are of DECIMAL, so they do not depend on the order of rows. #}
{% macro win_rate_columns() -%}
    count(*) as total_trades,
    count(*) filter (where outcome = 'win') as wins,
    count(*) filter (where outcome = 'loss') as losses,
    {{ ratio("count(*) filter (where outcome = 'win')", "count(*) filter (where outcome in ('win', 'loss'))") }} as win_rate,
    cast(sum(pnl_usd) as decimal(38, 20)) as total_pnl_usd,
    {{ ratio("sum(cast(return_bps as decimal(38, 9)))", "count(return_bps)") }} as avg_return_bps,
    count(*) filter (where outcome = 'breakeven') as breakevens,
    {{ ratio("count(*) filter (where outcome = 'breakeven')", "count(outcome)") }} as breakeven_share,
    count(*) filter (where outcome is null) as without_result
{%- endmacro %}
