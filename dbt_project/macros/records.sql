{# One text per raw row that sorts like (source_file, line_no). #}
{% macro row_key(relation) -%}
    printf('%s#%012d', {{ relation }}.source_file, {{ relation }}.line_no)
{%- endmacro %}

{# A number of the record as DECIMAL(28,10), read from the record's own text: a JSON reader would hand it over as a double,
   which keeps 15 to 17 digits only. NULL when the key is absent, null or no number. `key` is named once in the record.
   DECIMAL(18,10) is tried first: DuckDB parses it 100 times faster, and it holds all but numbers of 9 digits and more. #}
{% macro exact_decimal(record, key) -%}
    {%- set text = "regexp_extract(cast(" ~ record ~ " as varchar), '\"" ~ key ~ "\"\s*:\s*\"?(-?[0-9][0-9.eE+-]*)', 1)" -%}
    cast(coalesce(try_cast({{ text }} as decimal(18, 10)), try_cast({{ text }} as decimal(28, 10))) as decimal(28, 10))
{%- endmacro %}

{# Map from column name to the reason why the column is NULL although the record holds a number.
   `reasons` is a dict: column -> SQL expression that yields the reason or NULL. #}
{% macro null_reason_map(reasons) -%}
    map_from_entries(list_filter([
        {%- for column, reason in reasons.items() %}
        {'key': '{{ column }}', 'value': {{ reason }}}{{ "," if not loop.last }}
        {%- endfor %}
    ], lambda entry: entry.value is not null))
{%- endmacro %}

{# The two kinds of costs records: cumulative attribution of the run, or breakdown of one execution. NULL when it is neither. #}
{% macro cost_shape(record) -%}
    case
        when ({{ record }} -> '$.costs.pnl_attrib') is not null then 'attribution'
        when ({{ record }} -> '$.costs.trade_notional') is not null then 'breakdown'
    end
{%- endmacro %}
