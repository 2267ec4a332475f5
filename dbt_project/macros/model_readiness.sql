{# Readiness of a model for trading by the rules of the second system: AUC, calibration, samples, and no fall against the model
   before. Three-valued: unknown when a figure that is needed is missing and none of the others fails. Gains are rounded: 0.65 - 0.66
   as doubles is a little more than a fall of 0.01. #}
{% macro is_model_ready(auc, ece, samples, auc_gain) -%}
    ({{ auc }} >= {{ var('readiness_min_auc') }}
        and {{ ece }} <= {{ var('readiness_max_ece') }}
        and {{ samples }} >= {{ var('readiness_min_samples') }}
        and coalesce(round({{ auc_gain }}, 12) >= -{{ var('readiness_max_auc_fall') }}, true))
{%- endmacro %}
