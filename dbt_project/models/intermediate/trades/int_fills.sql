{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id", 'since': 'emitted_at'}},
) }}
-- Own executions in ledger order with their two costs records and what their decision says about them.
with executions as (select * from {{ ref('stg_execution_log') }} where {{ in_runs(since='emitted_at') }}),

attributions as (
    select execution_source_file as source_file, execution_line_no as line_no, emitted_at, run_method
    from {{ ref('stg_costs_attribution') }}
    where {{ in_runs(since='emitted_at') }} and execution_line_no is not null
),

breakdowns as (
    select
        execution_source_file as source_file, execution_line_no as line_no, emitted_at, run_method,
        trade_notional_usd, fee_bps, fee_usd, impact_bps, impact_usd, impact_k
    from {{ ref('stg_costs_breakdown') }}
    where {{ in_runs(since='emitted_at') }} and execution_line_no is not null
),

records as (select * from {{ ref('int_decision_records') }} where {{ in_runs(bars='bar_open_at') }}),

closes as (select * from {{ ref('int_bar_closes') }} where {{ in_runs(bars='bar_open_at') }}),

-- an id made of what was logged, not of where it lies: a fill keeps it when its file is written anew or moved
identified as (
    select
        *,
        row_number() over (
            partition by bot, run_id, symbol, event_id, filled_at, emitted_at order by source_file, line_no
        ) as repetition_no
    from executions
),

joined as (
    select
        md5(concat_ws(
            '|', executions.bot, executions.run_id, executions.symbol, executions.event_id,
            coalesce(cast(epoch_us(executions.filled_at) as varchar), ''), cast(epoch_us(executions.emitted_at) as varchar),
            cast(executions.repetition_no as varchar)
        )) as fill_id,
        concat_ws('|', executions.bot, executions.run_id, executions.symbol) as book_id,
        executions.* exclude (repetition_no),
        case executions.side when 'BUY' then 1 when 'SELL' then -1 end as side_sign,
        executions.fill_px > 0 and executions.fill_qty > 0 and executions.side in ('BUY', 'SELL') as is_valid,
        attributions.run_method as attribution_match_method,
        attributions.emitted_at as attribution_emitted_at,
        breakdowns.run_method as breakdown_match_method,
        breakdowns.emitted_at as breakdown_emitted_at,
        breakdowns.trade_notional_usd,
        breakdowns.fee_bps,
        breakdowns.fee_usd,
        breakdowns.impact_bps,
        breakdowns.impact_usd,
        breakdowns.impact_k,
        records.run_kind,
        records.decision_direction,
        records.chosen_arm,
        records.guard_token,
        records.exit_reason as logged_exit_reason,
        records.signal_line_no is not null as has_signal,
        -- the forced validation trade: no arm was chosen, yet the first bar of the run bought
        case
            when records.signal_line_no is not null
                then records.chosen_arm is null and records.decision_direction = 1
                    and coalesce(executions.bar_counter, records.bar_counter) = 0
        end as is_forced,
        closes.bar_close_px,
        closes.bar_close_method
    from identified as executions
    left join attributions on executions.source_file = attributions.source_file and executions.line_no = attributions.line_no
    left join breakdowns on executions.source_file = breakdowns.source_file and executions.line_no = breakdowns.line_no
    left join records on executions.decision_id = records.decision_id
    left join closes on executions.decision_id = closes.decision_id
),

{{ positioned_fills('joined') }}

select
    * replace (cast(signed_qty as decimal(28, 10)) as signed_qty),
    -- what the price cost against the close that was decided on; a model's close, so paper slippage shows as it is
    cast(round(side_sign * (fill_px - bar_close_px) * fill_qty, 10) as decimal(28, 10)) as slippage_usd
from positioned
order by emitted_at
