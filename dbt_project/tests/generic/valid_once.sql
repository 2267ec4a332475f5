{# No two rows of the same `of` are valid on the same day, and none is valid on no day. `lists` are columns of space-separated values, empty for all. #}
{% test valid_once(model, of, lists=[]) %}
with numbered as (
    select
        rowid as row_no,
        {{ of }} as entity,
        {%- for column in lists %}
        string_split({{ column }}, ' ') as list_{{ loop.index }},
        {%- endfor %}
        coalesce(valid_from, date '-infinity') as starts_on,
        coalesce(valid_to, date 'infinity') as ends_on
    from {{ model }}
)

select one.entity, one.starts_on, one.ends_on, other.starts_on as other_starts_on, other.ends_on as other_ends_on
from numbered as one
inner join numbered as other
    on one.row_no < other.row_no
    and one.entity is not distinct from other.entity
    and one.starts_on < other.ends_on
    and other.starts_on < one.ends_on
    {%- for column in lists %}
    and (one.list_{{ loop.index }} is null or other.list_{{ loop.index }} is null
        or list_has_any(one.list_{{ loop.index }}, other.list_{{ loop.index }}))
    {%- endfor %}
union all
select entity, starts_on, ends_on, null, null from numbered where ends_on <= starts_on
{% endtest %}
