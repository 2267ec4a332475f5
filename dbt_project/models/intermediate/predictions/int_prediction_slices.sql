-- Each prediction that statistics are about, once for every slice it is counted in. One replica per bar, live runs, finished
-- bars; the population warm_bars leaves the first bars of each run out as well.
with predictions as (
    select * from {{ ref('fct_predictions') }} where is_in_population
),

populations as (
    select *, unnest(case when is_warm then ['all_bars', 'warm_bars'] else ['all_bars'] end) as population
    from predictions
),

-- blocks of so many bars in a row, counted in bars and so the same for every horizon
blocks as (
    select
        *,
        (row_number() over (
            partition by population, bot, symbol, horizon_bars order by bar_open_at
        ) - 1) // {{ var('prediction_block_bars') }} + 1 as block_no
    from populations
),

keyed as (
    select
        *,
        printf('%06d', block_no) as block_key,
        cast(predicted_date_ist as varchar) as day_key,
        coalesce(git_sha, 'unknown') as code_key,
        coalesce(model_version, 'unknown') as model_key,
        coalesce(regime_bucket, 'unknown') as regime_key
    from blocks
),

-- days inside a version or regime are not published; the trend over days rests on them
sliced as (
    select
        keyed.*,
        unnest([
            {'grain': 'total', 'grain_key': 'all', 'parent_grain': 'total', 'parent_key': 'all'},
            {'grain': 'bar_block', 'grain_key': block_key, 'parent_grain': 'total', 'parent_key': 'all'},
            {'grain': 'day_ist', 'grain_key': day_key, 'parent_grain': 'total', 'parent_key': 'all'},
            {'grain': 'code_version', 'grain_key': code_key, 'parent_grain': 'code_version', 'parent_key': code_key},
            {'grain': 'code_version_day', 'grain_key': day_key, 'parent_grain': 'code_version', 'parent_key': code_key},
            {'grain': 'model_version', 'grain_key': model_key, 'parent_grain': 'model_version', 'parent_key': model_key},
            {'grain': 'model_version_day', 'grain_key': day_key, 'parent_grain': 'model_version', 'parent_key': model_key},
            {'grain': 'regime', 'grain_key': regime_key, 'parent_grain': 'regime', 'parent_key': regime_key},
            {'grain': 'regime_day', 'grain_key': day_key, 'parent_grain': 'regime', 'parent_key': regime_key}
        ], recursive := true)
    from keyed
)

select
    grain,
    grain_key,
    parent_grain,
    parent_key,
    bot,
    symbol,
    population,
    horizon_bars,
    decision_id,
    bar_open_at,
    bar_close_at,
    predicted_at,
    predicted_date_ist,
    replica_count,
    model_version,
    is_synthetic,
    is_scored,
    pred_raw_bps,
    pred_cal_bps,
    band_bps,
    is_tradable,
    realized_return_bps,
    strategy_direction,
    realized_class,
    p_down_prob,
    p_neutral_prob,
    p_up_prob
from sliced
