-- Models and versions side by side, pair by pair of neighbours, with the readiness rules of the second system. The bots give no
-- AUC, so their readiness stays unknown unless another rule fails.
with lineage as (select * from {{ ref('fct_model_lineage') }}),

figures as (
    select
        lineage.*,
        unnest([
            {'figure': 'ic', 'before': ic_before, 'after': ic_after, 'gain': ic_gain, 'direction': 'higher', 'significant_from': 0.02},
            {'figure': 'auc', 'before': auc_before, 'after': auc_after, 'gain': auc_gain, 'direction': 'higher', 'significant_from': 0.01},
            {'figure': 'ece', 'before': ece_before, 'after': ece_after, 'gain': ece_gain, 'direction': 'lower', 'significant_from': 0.01},
            {'figure': 'brier', 'before': brier_before, 'after': brier_after, 'gain': brier_gain, 'direction': 'lower', 'significant_from': 0.01},
            {'figure': 'hit_share', 'before': hit_share_before, 'after': hit_share_after, 'gain': hit_share_gain, 'direction': 'higher', 'significant_from': 0.01}
        ], recursive := true)
    from lineage
)

select
    lineage_id,
    figure,
    source_system,
    subject,
    version_no,
    model_id,
    model_name,
    git_sha,
    previous_model_id,
    previous_git_sha,
    changed_parts,
    first_seen_at,
    before,
    after,
    gain,
    direction,
    n_before,
    n_after,
    case
        when delta_null_reason is not null then delta_null_reason
        when gain is null and source_system = 'metastacker' and figure <> 'auc' then 'no_statistic_before_or_after'
        when gain is null then 'not_logged'
    end as gain_null_reason,
    case
        when gain is null then null
        when round(gain, 9) >= significant_from then 'improved'
        when round(gain, 9) <= -significant_from then 'worse'
        else 'unchanged'
    end as change,
    -- the source calls a model improved that is better in one figure, however much worse in another
    bool_or(gain > 0) over (partition by lineage_id) as seed_is_improved,
    {{ is_model_ready('auc_after', 'ece_after', 'n_after', 'auc_gain') }} as is_ready,
    list_filter([
        case when auc_after < {{ var('readiness_min_auc') }} then 'auc' end,
        case when ece_after > {{ var('readiness_max_ece') }} then 'ece' end,
        case when n_after < {{ var('readiness_min_samples') }} then 'samples' end,
        case when round(auc_gain, 9) < -{{ var('readiness_max_auc_fall') }} then 'auc_fall' end
    ], lambda rule: rule is not null) as failed_readiness_rules,
    is_synthetic
from figures
