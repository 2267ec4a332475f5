-- Every metric is a sum, ratio, extreme or single value of these measures, so a new metric is a row of seed metrics.
{%- set areas = ['trades', 'decisions', 'predictions', 'operations', 'second_system', 'journal'] %}
with measures as (
    {%- for area in areas %}
    select * from {{ ref('int_measures_' ~ area) }}
    {{- " union all" if not loop.last }}
    {%- endfor %}
),

modes as (select * from {{ ref('bot_modes') }})

select
    source_system,
    date_ist,
    measures.bot,
    -- a bot of minute bars is compared with the scalp mode of the second system, the others with its runner mode
    coalesce(measures.mode, modes.mode) as mode,
    dimension,
    dimension_value,
    measure,
    value,
    n,
    null_reason,
    source_row_count,
    source_model,
    is_synthetic
from measures
left join modes on measures.bot = modes.bot
