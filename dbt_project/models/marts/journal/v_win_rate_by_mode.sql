{{ config(materialized='view') }}
-- Win rate by mode over the trades that statistics use. A break-even trade is neither win nor loss; a trade whose costs were lost
-- is in no rate.
with trades as (select * from {{ ref('trades') }} where is_in_statistics)

select
    mode,
    {{ win_rate_columns() }}
from trades
group by mode
