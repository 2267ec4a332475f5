-- Running counts, so that a trailing window is the difference of two of them: predictions outside the no-trade band (what
-- the source's flag is about) and labels outside the band around the prediction (what a quality alarm would be about).
with predictions as (
    select * from {{ ref('int_prediction_slices') }} where grain = parent_grain and grain_key = parent_key
),

by_instant as (
    select
        grain, grain_key, bot, symbol, population, horizon_bars, predicted_at,
        count(is_tradable) as flagged_count,
        count(*) filter (is_tradable) as tradable_count,
        count(*) filter (is_scored and pred_cal_bps is not null and band_bps is not null) as labelled_count,
        count(*) filter (is_scored and abs(realized_return_bps - pred_cal_bps) > band_bps) as label_outside_count
    from predictions
    group by all
)

select
    grain,
    grain_key,
    bot,
    symbol,
    population,
    horizon_bars,
    predicted_at,
    sum(flagged_count) over so_far as flagged_count,
    sum(tradable_count) over so_far as tradable_count,
    sum(labelled_count) over so_far as labelled_count,
    sum(label_outside_count) over so_far as label_outside_count
from by_instant
window so_far as (
    partition by grain, grain_key, bot, symbol, population, horizon_bars order by predicted_at
    rows between unbounded preceding and current row
)
