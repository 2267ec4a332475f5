-- Predicted against realised, bin by bin. The curve top_class is about the most likely class (its probability against how
-- often it came true); the curves down, neutral and up are about one class each.
with slices as (
    select * from {{ ref('int_prediction_slices') }}
    where is_scored and grain not like '%\_day' escape '\'
        and p_down_prob is not null and p_neutral_prob is not null and p_up_prob is not null
),

curves as (
    select
        grain, grain_key, bot, symbol, population, horizon_bars,
        unnest([
            {
                'curve': 'top_class',
                'prob': greatest(p_down_prob, p_neutral_prob, p_up_prob),
                'is_event': realized_class = case
                    when p_down_prob >= p_neutral_prob and p_down_prob >= p_up_prob then 'down'
                    when p_neutral_prob >= p_up_prob then 'neutral'
                    else 'up'
                end
            },
            {'curve': 'down', 'prob': p_down_prob, 'is_event': realized_class = 'down'},
            {'curve': 'neutral', 'prob': p_neutral_prob, 'is_event': realized_class = 'neutral'},
            {'curve': 'up', 'prob': p_up_prob, 'is_event': realized_class = 'up'}
        ], recursive := true)
    from slices
),

-- bins [a, b); a probability of 1 falls into the last one
binned as (
    select *, least(floor(prob * {{ var('reliability_bin_count') }})::integer, {{ var('reliability_bin_count') }} - 1) as bin_no
    from curves
),

bins as (
    select
        grain, grain_key, bot, symbol, population, horizon_bars, curve, bin_no,
        count(*) as n_used,
        count(*) filter (is_event) as event_count,
        {{ exact_sum('prob') }} as sum_prob
    from binned
    group by all
),

rated as (
    select
        *,
        {{ ratio('sum_prob', 'n_used') }} as predicted_prob,
        {{ ratio('event_count', 'n_used') }} as realized_share
    from bins
)

select
    grain,
    grain_key,
    bot,
    symbol,
    population,
    horizon_bars,
    curve,
    bin_no,
    bin_no / {{ var('reliability_bin_count') }}.0 as bin_from_prob,
    (bin_no + 1) / {{ var('reliability_bin_count') }}.0 as bin_until_prob,
    n_used,
    event_count,
    predicted_prob,
    realized_share,
    {{ wilson_bound('event_count', 'n_used', 'lower') }} as realized_share_lower,
    {{ wilson_bound('event_count', 'n_used', 'upper') }} as realized_share_upper,
    realized_share - predicted_prob as calibration_error,
    n_used >= {{ var('calibration_bin_min_count') }} as has_minimum_count,
    cast({{ var('neutral_return_bps') }} as double) as neutral_return_bps
from rated
