-- Every decision that led to an execution, and a share of those that ended in HOLD, chosen by a hash of the decision's id.
-- A sum of `weight` over a kind estimates how many there were.
with decisions as (
    select
        *,
        case when final_side = 'HOLD' then 'hold' when final_side is null then 'unknown' else 'trade' end as decision_kind,
        ('0x' || left(md5(decision_id), 8))::uinteger / 4294967296.0 as place
    from marts.fct_decisions
    where decided_date_ist >= $first and decided_date_ist < $end
)

select
    d.decision_id, d.decision_kind, case when d.decision_kind = 'hold' then 1 / $hold_share else 1.0 end::double as weight,
    d.bot, d.run_id, d.symbol, d.bar_open_at, d.decided_at, d.run_kind, d.is_canonical, d.intent_side, d.final_side, d.is_forced,
    d.is_eligible, d.veto_reason_primary, array_to_string(d.veto_reason_secondary, '; ') as veto_reason_secondary,
    d.veto_guard_primary, d.is_causal, r.primary_value, r.primary_comparator, r.primary_limit_lo, r.primary_limit_hi,
    r.primary_unit, r.margin_abs, r.margin_pct, d.seed_veto_reason, d.blocked_side, d.p_down_prob, d.p_neutral_prob, d.p_up_prob,
    d.s_model, d.pred_cal_bps_at_entry, d.in_band_at_entry, d.regime_bucket, d.is_synthetic
from decisions as d
left join marts.fct_guard_rejections as r using (decision_id)
where d.decision_kind <> 'hold' or d.place < $hold_share
order by d.decided_at, d.decision_id
