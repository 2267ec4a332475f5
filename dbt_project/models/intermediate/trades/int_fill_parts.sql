-- Own fills cut at flat: the part that closes a position, and the part that opens or enlarges one.
with fills as (select * from {{ ref('int_fills') }}),

{{ fill_parts('fills') }}

select * from parts
