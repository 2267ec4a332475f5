-- The market as it stood at each decision: of the decided bar and of the bars of the same run and bot before it, nothing later.
with decisions as (select * from {{ ref('fct_decisions') }}),

closes as (select decision_id, bar_close_px from {{ ref('int_bar_closes') }}),

priced as (
    select decisions.*, closes.bar_close_px
    from decisions
    left join closes on decisions.decision_id = closes.decision_id
),

stepped as (
    select
        *,
        -- a return only where the bar before was decided by the same run
        case when lag(bar_open_at) over bars = bar_open_at - {{ bar_length('bot') }} then
            {{ ratio('bar_close_px', 'lag(bar_close_px) over bars') }} - 1
        end as bar_return
    from priced
    window bars as (partition by bot, run_id, symbol order by bar_open_at, decided_at, decision_id)
),

windowed as (
    select
        *,
        count(bar_return) over last_bars as trailing_return_count,
        cast(sum(cast(bar_return as decimal(28, 15))) over last_bars as double) as return_sum,
        cast(sum(cast(bar_return * bar_return as decimal(28, 15))) over last_bars as double) as square_sum,
        -- of the twenty bars up to this one
        max(bar_close_px) over last_bars as trailing_high_close_px,
        min(bar_close_px) over last_bars as trailing_low_close_px
    from stepped
    window last_bars as (
        partition by bot, run_id, symbol order by bar_open_at, decided_at, decision_id rows between 19 preceding and current row
    )
)

select
    decision_id,
    bot,
    run_id,
    symbol,
    bar_open_at,
    decided_at,
    decided_date_ist,
    run_kind,
    is_canonical,
    bar_close_px,
    bar_range_bps,
    price_change_bps,
    bar_volume_qty,
    volume_ratio,
    realized_vol,
    case when trailing_return_count >= 2 then
        sqrt(greatest(0, (square_sum - return_sum * return_sum / trailing_return_count) / (trailing_return_count - 1))) * 1e4
    end as trailing_volatility_bps,
    trailing_return_count,
    1e4 * {{ ratio('trailing_high_close_px - trailing_low_close_px', 'bar_close_px') }} as trailing_range_bps,
    funding_rate,
    quoted_spread_bps,
    liquidity_score,
    regime_bucket,
    volatility_regime,
    {{ null_reason_map({
        'bar_close_px': "case when bar_close_px is null then 'record_lost' end",
        'bar_range_bps': "case when bar_range_bps is null then coalesce(null_reasons['bar_range_bps'], 'record_lost') end",
        'price_change_bps': "case when price_change_bps is null then coalesce(null_reasons['price_change_bps'], 'record_lost') end",
        'bar_volume_qty': "case when bar_volume_qty is null then coalesce(null_reasons['bar_volume_qty'], 'record_lost') end",
        'volume_ratio': "case when volume_ratio is null then coalesce(null_reasons['volume_ratio'], 'record_lost') end",
        'realized_vol': "case when realized_vol is null then coalesce(null_reasons['realized_vol'], 'record_lost') end",
        'trailing_volatility_bps': "case when trailing_return_count < 2 then 'too_few_bars' end",
        'trailing_range_bps': "case when bar_close_px is null then 'record_lost' end",
        'funding_rate': "case when funding_rate is null then coalesce(null_reasons['funding_rate'], 'record_lost') end",
        'quoted_spread_bps': "case when quoted_spread_bps is null then 'no_order_book' end",
        'liquidity_score': "case when liquidity_score is null then coalesce(null_reasons['liquidity_score'], 'record_lost') end",
    }) }} as null_reasons,
    is_synthetic
from windowed
