{# At any instant at most one row is valid: [valid_from, valid_until), an empty end meaning "still". #}
{% test periods_do_not_overlap(model) %}
select *
from (
    select *, lag(coalesce(valid_until, timestamptz 'infinity')) over (order by valid_from) as previous_until
    from {{ model }}
) as periods
where previous_until > valid_from or valid_until <= valid_from
{% endtest %}
