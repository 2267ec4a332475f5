{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "split_part(book_id, '|', 2)"}},
) }}
-- Own fills cut at flat: the part that closes a position, and the part that opens or enlarges one.
with fills as (select * from {{ ref('int_fills') }} where {{ in_runs(since='emitted_at') }}),

{{ fill_parts('fills') }}

select * from parts
order by filled_at
