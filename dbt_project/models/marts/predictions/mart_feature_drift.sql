-- Do the model's inputs still look as they did? Population stability index of each feature and week against the first full
-- week: sum over the reference's decile bins of (share - reference share) x ln(share / reference share).
{%- set features = [
    'mom_1', 'mom_3', 'mr_ema20_z', 'rv_1h', 'regime_high_vol', 'gk_volatility', 'jump_magnitude', 'volume_intensity',
    'price_efficiency', 'price_volume_corr', 'vwap_momentum', 'depth_proxy', 'funding_rate', 'funding_momentum_1h',
    'flow_diff', 's_top', 's_bot',
] %}
{%- set by_feature = 'bot, symbol, population, feature_name' %}
with predictions as (
    select * from {{ ref('int_prediction_slices') }}
    where grain = 'total' and horizon_bars = {{ var('prediction_horizons_bars') | min }}
),

signals as (select * from {{ ref('stg_signals') }} where decision_id is not null),

-- a default that stands for "no input" is no value, but it is what tells a dead feature
observed as (
    select
        predictions.bot,
        predictions.symbol,
        predictions.population,
        cast(date_trunc('week', predictions.predicted_date_ist) as date) as week_start_ist,
        unnest([
            {%- for feature in features %}
            {'feature_name': '{{ feature }}', 'value': feature_{{ feature }}, 'logged': features[{{ loop.index }}]}{{ "," if not loop.last }}
            {%- endfor %}
        ], recursive := true)
    from predictions
    inner join signals using (decision_id)
),

-- quantile_disc takes values that were seen, so the edges are the same for any order of rows
weeks as (
    select
        {{ by_feature }},
        week_start_ist,
        count(*) as n_rows,
        count(value) as n_used,
        count(logged) as logged_count,
        count(distinct logged) as distinct_count,
        count(*) filter (abs(value) > {{ var('feature_extreme_limit') }}) as extreme_count,
        min(value) as value_min,
        quantile_disc(value, 0.5) as value_median,
        max(value) as value_max,
        list_sort(list_distinct(quantile_disc(value, [
            {%- for cut in range(1, var('drift_bin_count')) %}{{ cut / var('drift_bin_count') }}{{ ", " if not loop.last }}{% endfor -%}
        ]))) as edges
    from observed
    group by all
),

references_ as (
    select
        {{ by_feature }},
        arg_min({'week': week_start_ist, 'edges': edges, 'n_used': n_used}, week_start_ist) as first_week
    from weeks
    where n_used >= {{ var('drift_min_count') }}
    group by all
),

-- bins (edge, next edge], the outer ones open
binned as (
    select
        {{ by_feature }},
        observed.week_start_ist,
        len(list_filter(references_.first_week.edges, lambda edge: edge < observed.value)) as bin_no,
        count(*) as bin_count
    from observed
    inner join references_ using ({{ by_feature }})
    where observed.value is not null
    group by all
),

bins as (
    select
        {{ by_feature }},
        weeks.week_start_ist,
        weeks.n_used,
        references_.first_week as first_week,
        unnest(range(len(references_.first_week.edges) + 1)) as bin_no
    from weeks
    inner join references_ using ({{ by_feature }})
    where weeks.n_used >= {{ var('drift_min_count') }}
),

-- an empty bin would make the index infinite: shares are floored at 0.0001
shares as (
    select
        {{ by_feature }},
        bins.week_start_ist,
        greatest(coalesce(here.bin_count, 0) / bins.n_used, 1e-4) as share,
        greatest(coalesce(reference_bins.bin_count, 0) / bins.first_week.n_used, 1e-4) as reference_share
    from bins
    left join binned as here using ({{ by_feature }}, week_start_ist, bin_no)
    left join binned as reference_bins
        on bins.bot = reference_bins.bot
        and bins.symbol = reference_bins.symbol
        and bins.population = reference_bins.population
        and bins.feature_name = reference_bins.feature_name
        and bins.first_week.week = reference_bins.week_start_ist
        and bins.bin_no = reference_bins.bin_no
),

indexes as (
    select
        {{ by_feature }},
        week_start_ist,
        cast({{ exact_sum('(share - reference_share) * ln(share / reference_share)') }} as double) as psi
    from shares
    group by all
)

select
    bot,
    symbol,
    population,
    feature_name,
    week_start_ist,
    n_rows,
    n_used,
    references_.first_week.week as reference_week_start_ist,
    references_.first_week.n_used as reference_count,
    references_.first_week.week is not distinct from week_start_ist as is_reference_week,
    psi,
    case
        when psi is not null then null
        when references_.first_week is null then 'no_reference_week'
        else 'below_minimum_count'
    end as psi_null_reason,
    case when psi < 0.1 then 'stable' when psi <= 0.25 then 'shifting' when psi > 0.25 then 'shifted' end as drift_level,
    distinct_count,
    logged_count > 1 and distinct_count = 1 as is_constant,
    extreme_count,
    extreme_count > 0 as is_extreme,
    value_min,
    value_median,
    value_max
from weeks
left join references_ using ({{ by_feature }})
left join indexes using ({{ by_feature }}, week_start_ist)
