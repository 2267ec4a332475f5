{# Counts of guard verdicts in a group of evaluations; the same columns in every guard mart. #}
{% macro guard_counts() -%}
    count(*) as evaluation_count,
        count(distinct (bot, symbol, bar_open_at)) as bar_count,
        count(*) filter (where verdict = 'PASS') as pass_count,
        count(*) filter (where verdict = 'VETO') as veto_count,
        count(*) filter (where verdict = 'UNKNOWN') as unknown_count,
        count(*) filter (where is_causal) as causal_veto_count,
        count(*) filter (where is_primary) as primary_veto_count,
        count(*) filter (where is_unique_veto) as unique_veto_count,
        count(*) filter (where seed_veto) as seed_veto_count,
        count(*) filter (where is_disagreeing) as disagreeing_count,
        min(margin_abs) as min_margin_abs,
        median(margin_abs) as median_margin_abs,
        max(margin_abs) as max_margin_abs,
        bool_or(is_synthetic) as is_synthetic
{%- endmacro %}
