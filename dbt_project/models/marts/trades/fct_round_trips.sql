{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'runs', 'column': "run_id"}},
) }}
-- Trades from flat to flat (or to a flip), one position of one book. Nothing is invented: a position its run never closed
-- stays a row with what was realised and paid, without exit.
with books as (select * from {{ ref('int_trade_books') }} where {{ in_runs() }}),

all_parts as (select * from {{ ref('int_fill_parts') }} where {{ in_runs("split_part(book_id, '|', 2)") }}),

fills as (select * from {{ ref('int_fills') }} where {{ in_runs(since='emitted_at') }}),

all_legs as (select * from {{ ref('fct_round_trip_legs') }} where {{ in_runs("split_part(book_id, '|', 2)") }}),

reasons as (select * from {{ ref('int_exit_reasons') }} where {{ in_runs("split_part(book_id, '|', 2)") }}),

excursions as (select * from {{ ref('int_trade_excursions') }} where {{ in_runs("split_part(book_id, '|', 2)") }}),

calibrations as (select * from {{ ref('int_calibration_at_entry') }} where {{ in_runs() }} and entry_kind = 'execution'),

parts as (
    select
        all_parts.*,
        fills.is_forced,
        sum(case role when 'ENTRY' then part_qty else -part_qty end) over (
            partition by trade_id order by all_parts.fill_no, part_no rows between unbounded preceding and current row
        ) as held_after_qty
    from all_parts
    inner join fills using (fill_id)
),

trades as (
    select
        trade_id,
        book_id,
        episode_no,
        direction_sign,
        min(filled_at) as opened_at,
        arg_min(fill_id, (fill_no, part_no)) as opening_fill_id,
        arg_min(part_no, (fill_no, part_no)) as opening_part_no,
        arg_max(filled_at, (fill_no, part_no)) as last_filled_at,
        count(distinct fill_id) as fill_count,
        count(*) filter (where role = 'ENTRY') as entry_fill_count,
        count(*) filter (where role = 'EXIT') as exit_fill_count,
        coalesce(sum(part_qty) filter (where role = 'ENTRY'), 0) as entry_qty,
        coalesce(sum(part_qty) filter (where role = 'EXIT'), 0) as exit_qty,
        max(held_after_qty) as peak_qty,
        sum({{ to_units('px') }} * {{ to_units('part_qty') }}) filter (where role = 'ENTRY') as entry_units,
        sum({{ to_units('px') }} * {{ to_units('part_qty') }}) filter (where role = 'EXIT') as exit_units,
        sum(cast(px * part_qty as decimal(38, 20))) filter (where role = 'ENTRY') as entry_notional_usd,
        sum(cast(px * part_qty as decimal(38, 20))) filter (where role = 'EXIT') as exit_notional_usd,
        -- a sum over part of the fills is no sum: one lost costs record leaves it unknown
        case when count(part_fee_usd) = count(*) then sum(part_fee_usd) end as fees_usd,
        case when count(part_impact_usd) = count(*) then sum(part_impact_usd) end as impact_usd,
        case when count(part_slippage_usd) = count(*) then sum(part_slippage_usd) end as slippage_usd,
        case when bool_or(is_forced) then true when count(is_forced) = count(*) then false end as is_forced,
        bool_or(is_order_ambiguous) as is_order_ambiguous
    from parts
    group by trade_id, book_id, episode_no, direction_sign
),

realised as (
    select trade_id, sum(gross_pnl_usd) as gross_pnl_usd, sum(entry_notional_usd) as exited_cost_usd
    from all_legs
    group by trade_id
),

last_exits as (
    select
        trade_id,
        arg_max(exit_reason, fill_no) as exit_reason,
        arg_max(exit_reason_rule, fill_no) as exit_reason_rule,
        arg_max(coalesce(exit_reason_evidence, ''), fill_no) as exit_reason_evidence,
        arg_max(exit_reason_confidence, fill_no) as exit_reason_confidence
    from reasons
    group by trade_id
),

states as (
    select
        trades.*,
        books.bot,
        books.run_id,
        books.symbol,
        books.run_last_emitted_at,
        case
            when trades.entry_qty = trades.exit_qty then 'closed'
            when books.has_run_ended then 'abandoned'
            else 'open'
        end as status,
        case when trades.entry_qty = trades.exit_qty then trades.last_filled_at end as closed_at,
        coalesce(trades.last_filled_at, trades.opened_at) as last_seen_at,
        coalesce(realised.gross_pnl_usd, 0) as gross_pnl_usd,
        trades.entry_notional_usd - coalesce(realised.exited_cost_usd, 0) as open_cost_usd,
        trades.entry_qty - trades.exit_qty as open_qty
    from trades
    inner join books using (book_id)
    left join realised using (trade_id)
),

measured as (
    select
        states.*,
        states.gross_pnl_usd - states.fees_usd as net_pnl_usd,
        cast({{ exact_vwap('states.entry_units', 'states.entry_qty') }} as decimal(28, 10)) as entry_vwap_px,
        cast({{ exact_vwap('states.exit_units', 'states.exit_qty') }} as decimal(28, 10)) as exit_vwap_px,
        -- bars that end while the position is held, known or not
        floor(epoch(coalesce(states.closed_at, states.run_last_emitted_at)) / epoch({{ bar_length('states.bot') }}))
        - floor(epoch(states.opened_at) / epoch({{ bar_length('states.bot') }})) as path_expected_bar_count,
        excursions.path_bar_count,
        excursions.last_close_at,
        excursions.last_close_px,
        excursions.worst_px,
        excursions.best_px,
        excursions.mae_usd,
        excursions.mfe_usd
    from states
    left join excursions using (trade_id)
),

judged as (
    select
        *,
        case when path_bar_count = 0 and path_expected_bar_count > 0 then 'no_bar_close_known' end as excursion_null_reason,
        case status when 'closed' then cast(net_pnl_usd as double) / nullif(cast(entry_notional_usd as double), 0) * 1e4 end
            as return_bps
    from measured
)

select
    judged.trade_id,
    judged.book_id,
    judged.bot,
    judged.run_id,
    openings.run_kind,
    judged.symbol,
    judged.episode_no,
    case when judged.direction_sign > 0 then 'LONG' else 'SHORT' end as direction,
    judged.status,
    judged.opened_at,
    judged.closed_at,
    {{ date_ist('judged.opened_at') }} as opened_date_ist,
    {{ date_ist('judged.closed_at') }} as closed_date_ist,
    judged.opening_fill_id,
    judged.fill_count,
    judged.entry_fill_count,
    judged.exit_fill_count,
    cast(judged.entry_qty as decimal(28, 10)) as entry_qty,
    cast(judged.exit_qty as decimal(28, 10)) as exit_qty,
    cast(judged.peak_qty as decimal(28, 10)) as peak_qty,
    judged.entry_vwap_px,
    judged.exit_vwap_px,
    cast(judged.entry_notional_usd as decimal(38, 20)) as entry_notional_usd,
    cast(judged.exit_notional_usd as decimal(38, 20)) as exit_notional_usd,
    cast(judged.gross_pnl_usd as decimal(38, 20)) as gross_pnl_usd,
    cast(judged.fees_usd as decimal(28, 10)) as fees_usd,
    cast(judged.impact_usd as decimal(28, 10)) as impact_usd,
    cast(judged.slippage_usd as decimal(28, 10)) as slippage_usd,
    cast(null as decimal(28, 10)) as funding_usd,
    'not_logged' as funding_null_reason,
    cast(judged.net_pnl_usd as decimal(38, 20)) as net_pnl_usd,
    case when judged.net_pnl_usd is null then 'no_costs_record' end as net_pnl_null_reason,
    judged.return_bps,
    case
        when judged.status <> 'closed' then 'not_closed'
        when judged.net_pnl_usd is null then 'no_costs_record'
    end as return_null_reason,
    case
        when judged.return_bps > {{ var('breakeven_bps') }} then 'win'
        when judged.return_bps < -{{ var('breakeven_bps') }} then 'loss'
        when judged.return_bps is not null then 'breakeven'
    end as outcome,
    epoch_us(judged.closed_at - judged.opened_at) / 1e6 as holding_s,
    cast(judged.open_qty as decimal(28, 10)) as open_qty,
    cast(judged.open_cost_usd as decimal(38, 20)) as open_cost_usd,
    case when judged.open_qty > 0 then judged.last_close_px end as mark_px,
    case when judged.open_qty > 0 then judged.last_close_at end as marked_at,
    case
        when judged.open_qty > 0
            then cast(judged.direction_sign * (cast(judged.last_close_px * cast(judged.open_qty as decimal(28, 10)) as decimal(38, 20)) - judged.open_cost_usd) as decimal(38, 20))
    end as unrealized_pnl_usd,
    case
        when judged.open_qty = 0 then 'closed'
        when judged.last_close_px is null then 'no_bar_close_known'
    end as unrealized_null_reason,
    case
        when openings.is_forced then 'FORCED_VALIDATION'
        when judged.opening_part_no = 2 then 'SIGNAL_FLIP'
        when openings.chosen_arm is not null then 'MODEL_SIGNAL'
        else 'UNKNOWN'
    end as entry_reason,
    openings.chosen_arm as entry_arm,
    case
        when judged.status = 'closed' then last_exits.exit_reason
        when judged.status = 'abandoned' then 'RUN_END'
    end as exit_reason,
    case judged.status when 'closed' then last_exits.exit_reason_rule when 'abandoned' then 'run_ended_while_open' end
        as exit_reason_rule,
    case judged.status
        when 'closed' then nullif(last_exits.exit_reason_evidence, '')
        when 'abandoned' then concat('last record of the run at ', strftime(judged.run_last_emitted_at at time zone 'UTC', '%Y-%m-%dT%H:%M:%SZ'))
    end as exit_reason_evidence,
    case judged.status when 'closed' then last_exits.exit_reason_confidence when 'abandoned' then 'inferred' end
        as exit_reason_confidence,
    case
        when judged.excursion_null_reason is null
            then least(cast(judged.direction_sign * (judged.worst_px - judged.entry_vwap_px) as double) / cast(judged.entry_vwap_px as double) * 1e4, 0)
    end as mae_bps,
    case
        when judged.excursion_null_reason is null
            then greatest(cast(judged.direction_sign * (judged.best_px - judged.entry_vwap_px) as double) / cast(judged.entry_vwap_px as double) * 1e4, 0)
    end as mfe_bps,
    case when judged.excursion_null_reason is null then judged.mae_usd end as mae_usd,
    case when judged.excursion_null_reason is null then judged.mfe_usd end as mfe_usd,
    judged.path_bar_count,
    cast(judged.path_expected_bar_count as bigint) as path_expected_bar_count,
    judged.path_bar_count / nullif(judged.path_expected_bar_count, 0) as path_coverage_share,
    case
        when judged.excursion_null_reason is not null then null
        when judged.path_bar_count = 0 then 'fills_only'
        else 'bar_closes'
    end as excursion_basis,
    judged.excursion_null_reason,
    judged.is_forced,
    judged.is_order_ambiguous,
    openings.is_canonical,
    openings.decision_id as opening_decision_id,
    calibrations.pred_cal_bps_at_entry,
    calibrations.in_band_at_entry,
    calibrations.is_tradable_at_entry,
    calibrations.calibration_score_at_entry,
    calibrations.match_method,
    calibrations.match_lag_ms,
    calibrations.is_exact_match,
    openings.is_synthetic
from judged
inner join fills as openings on judged.opening_fill_id = openings.fill_id
left join last_exits on judged.trade_id = last_exits.trade_id
left join calibrations on openings.source_file = calibrations.source_file and openings.line_no = calibrations.line_no
order by opened_at
