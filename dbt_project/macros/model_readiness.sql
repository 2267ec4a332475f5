{# Readiness of a model for trading by the rules of the second system: AUC, calibration, samples, and no fall against the model
   before. Three-valued: unknown when a figure that is needed is missing and none of the others fails. A fall is rounded:
   .69 - .70 is not below -.01. #}
{% macro is_model_ready(auc, ece, samples, auc_gain) -%}
    ({{ auc }} >= {{ var('readiness_min_auc') }}
        and {{ ece }} <= {{ var('readiness_max_ece') }}
        and {{ samples }} >= {{ var('readiness_min_samples') }}
        and coalesce(round({{ auc_gain }}, 9) >= -{{ var('readiness_max_auc_fall') }}, true))
{%- endmacro %}
