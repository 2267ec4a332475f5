{# No value of the column (of each `per` group) is given twice: a decision has one record of such a stream. #}
{% test one_to_one(model, column, per="'all'") %}
select {{ per }} as of_group, {{ column }}, count(*) as row_count
from {{ model }}
where {{ column }} is not null
group by all
having count(*) > 1
{% endtest %}
