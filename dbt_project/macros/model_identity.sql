{# What a model is known by, as one text: system, model, features, hyperparameters, data. Its SHA-256 is the model's id, so equal
   content has an equal id wherever it was seen. What is not known says so and counts as such. #}
{% macro model_identity(source_system, model, features, hyperparameters, data, data_from, data_until) -%}
    'system=' || {{ source_system }}
        || chr(10) || 'model=' || coalesce({{ model }}, 'unknown')
        || chr(10) || 'features=' || coalesce({{ features }}, 'unknown')
        || chr(10) || 'hyperparameters=' || coalesce({{ hyperparameters }}, 'unknown')
        || chr(10) || 'data=' || coalesce({{ data }}, 'unknown')
        || chr(10) || 'data_from=' || coalesce(cast(epoch_us({{ data_from }}) as varchar), 'unknown')
        || chr(10) || 'data_until=' || coalesce(cast(epoch_us({{ data_until }}) as varchar), 'unknown')
{%- endmacro %}
