-- Calibration over time: of the bots' predictions per IST day, of the second system's models per training. Errors are computed
-- from the bins here as well; what the source only stores stands beside.
with qualities as (
    select *
    from {{ ref('mart_prediction_quality') }}
    where grain = 'day_ist' and population = 'warm_bars' and horizon_bars = 1
),

reliability as (
    select
        grain_key,
        bot,
        symbol,
        list({
            'lower_edge': bin_from_prob, 'upper_edge': bin_until_prob, 'n': n_used,
            'confidence': predicted_prob, 'accuracy': realized_share
        } order by bin_no) as bins
    from {{ ref('mart_reliability_bins') }}
    where grain = 'day_ist' and population = 'warm_bars' and horizon_bars = 1 and curve = 'top_class'
    group by grain_key, bot, symbol
),

sessions as (select * from {{ ref('fct_training_sessions') }}),

updates as (
    select
        source_file,
        line_no,
        -- what is no list of numbers is no list
        try_cast(calibration_bins -> 'edges' as double[]) as edges,
        try_cast(calibration_bins -> 'counts' as bigint[]) as counts,
        try_cast(calibration_bins -> 'accuracies' as double[]) as accuracies,
        try_cast(calibration_bins -> 'confidences' as double[]) as confidences
    from {{ ref('stg_model_update') }}
),

measured as (
    select
        'metastacker' as source_system,
        qualities.bot || '/' || qualities.symbol as subject,
        'predictions' as basis,
        (cast(qualities.grain_key as timestamp) + interval 1 day) at time zone 'Asia/Kolkata' as measured_at,
        cast(qualities.grain_key as date) as date_ist,
        qualities.grain_key as measurement_key,
        cast(null as double) as logged_ece,
        cast(null as double) as logged_mce,
        qualities.brier_score,
        3 as class_count,
        coalesce(reliability.bins, []) as bins,
        cast(null as varchar) as calibration_method,
        qualities.is_synthetic
    from qualities
    left join reliability
        on qualities.grain_key = reliability.grain_key and qualities.bot = reliability.bot and qualities.symbol = reliability.symbol
    union all
    select
        'huracan',
        sessions.model_name,
        'training',
        sessions.trained_at,
        sessions.date_ist,
        sessions.session_id,
        sessions.ece_share,
        sessions.mce_share,
        sessions.brier_score,
        2,
        case when len(updates.counts) = len(updates.accuracies) and len(updates.counts) = len(updates.confidences)
                and len(updates.edges) = len(updates.counts) + 1 then
            [{
                'lower_edge': updates.edges[bin_no], 'upper_edge': updates.edges[bin_no + 1], 'n': updates.counts[bin_no],
                'confidence': updates.confidences[bin_no], 'accuracy': updates.accuracies[bin_no]
            } for bin_no in range(1, len(updates.counts) + 1)]
        else [] end,
        sessions.calibration_method,
        sessions.is_synthetic
    from sessions
    inner join updates on sessions.source_file = updates.source_file and sessions.line_no = updates.line_no
),

filled as (
    select
        *,
        list_filter(bins, lambda bin: bin.n > 0) as used_bins,
        list_sum([bin.n for bin in bins])::bigint as n
    from measured
),

-- predictions whose bin says no accuracy or confidence would count as without error
explained as (
    select
        *,
        case
            when coalesce(n, 0) = 0 then 'no_bins'
            when len(list_filter(used_bins, lambda bin: bin.accuracy is null or bin.confidence is null)) > 0 then 'incomplete_bin'
        end as ece_null_reason,
        [{'n': bin.n, 'gap': abs(bin.accuracy - bin.confidence)} for bin in used_bins] as gaps
    from filled
)

select
    source_system,
    subject,
    measurement_key,
    basis,
    measured_at,
    date_ist,
    coalesce(n, 0) as n,
    len(used_bins) as bin_count,
    case when ece_null_reason is null then
        cast({{ ratio("list_sum([cast(bin.n * bin.gap as decimal(38, 12)) for bin in gaps])", 'n') }} as double)
    end as ece,
    case when ece_null_reason is null then
        list_max([bin.gap for bin in gaps if bin.n >= {{ var('calibration_bin_min_count') }}])
    end as mce,
    case when ece_null_reason is null then list_max([bin.gap for bin in gaps]) end as mce_any_bin,
    brier_score,
    class_count,
    ece_null_reason,
    coalesce(ece_null_reason, case when mce is null then 'no_bin_with_minimum_count' end) as mce_null_reason,
    logged_ece,
    logged_mce,
    abs(ece - logged_ece) <= 0.0001 as is_ece_reproduced,
    calibration_method,
    cast(to_json(bins) as json) as bins,
    is_synthetic
from explained
