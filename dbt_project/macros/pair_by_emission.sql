{#
    One-to-one pairing of two kinds of records by emission time: each second record belongs to the nearest earlier first
    record that is still free. Equal to the greedy choice by smallest lag, yet linear: within a key the two kinds are read
    as opening and closing brackets, so a pair stands on one nesting level with nothing of that level between.
    `first` and `second` name relations with columns row_key, emitted_at and the `keys` (rows with a NULL key pair with none).
    Yields first_key, second_key, lag_time; second records without partner are left out.
#}
{% macro pair_by_emission(first, second, keys) -%}
    {%- set key_list = keys | join(', ') %}
    select first_key, second_key, lag_time
    from (
        select
            lag(first_key) over level_order as first_key,
            second_key,
            emitted_at - lag(emitted_at) over level_order as lag_time
        from (
            select *, depth + is_second as level
            from (
                select *, sum(1 - 2 * is_second) over (
                    partition by {{ key_list }} order by emitted_at, is_second, first_key, second_key
                    rows between unbounded preceding and current row
                ) as depth
                from (
                    select {{ key_list }}, emitted_at, 0 as is_second, row_key as first_key, null as second_key from {{ first }}
                    union all
                    select {{ key_list }}, emitted_at, 1 as is_second, null as first_key, row_key as second_key from {{ second }}
                ) as events
                where {% for key in keys %}{{ key }} is not null and {% endfor %}emitted_at is not null
            ) as depths
        ) as levels
        window level_order as (partition by {{ key_list }}, level order by emitted_at, is_second, first_key, second_key)
    ) as pairs
    where second_key is not null and first_key is not null
{%- endmacro %}
