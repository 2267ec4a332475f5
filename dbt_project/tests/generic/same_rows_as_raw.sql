{# Staging neither drops nor doubles nor invents a row: each accepted line of the stream (of one shape, if named) is there once.
   A tick asks for the lines of its loads. #}
{% test same_rows_as_raw(model, stream, shape=none) %}
{%- set loads = of_planned_loads() if execute and is_part_tested() else 'true' %}
with staged as (
    select source_file, line_no, count(*) as staged_count from {{ model }} where {{ loads }} group by source_file, line_no
),

landed as (
    select source_file, line_no
    from {{ source('raw', stream) }}
    where {{ loads }} {% if shape %}and {{ cost_shape('record') }} = '{{ shape }}'{% endif %}
)

select source_file, line_no, coalesce(staged_count, 0) as staged_count, landed.line_no is not null as has_landed
from landed
full outer join staged using (source_file, line_no)
where landed.line_no is null or staged_count is distinct from 1
{% endtest %}
