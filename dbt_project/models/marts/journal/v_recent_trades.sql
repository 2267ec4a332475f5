{{ config(materialized='view') }}
-- The last 100 closed trades with what the model said.
with trades as (select * from {{ ref('trades') }} where status = 'closed'),

features as (select * from {{ ref('trade_features') }})

select
    trades.trade_id,
    trades.ts_open,
    trades.symbol,
    trades.mode,
    trades.side,
    trades.entry_price,
    trades.exit_price,
    trades.pnl_usd,
    trades.return_bps,
    trades.exit_reason,
    features.confidence,
    features.meta_label_prob,
    trades.ts_close,
    trades.tags
from trades
left join features using (trade_id)
order by trades.ts_close desc, trades.trade_id
limit 100
