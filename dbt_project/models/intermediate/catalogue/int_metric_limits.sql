-- Limits of metrics: those of seed metric_limits, and the pass rates that the guards' own seed aims at.
select
    metric_id,
    scope,
    grain,
    target_min,
    target_ideal,
    target_max,
    info_below,
    info_above,
    warning_below,
    warning_above,
    critical_below,
    critical_above,
    min_n,
    source
from {{ ref('metric_limits') }}
union all
select
    'gate_pass_rate' as metric_id,
    bot || '/' || guard as scope,
    'day' as grain,
    target_min_share as target_min,
    target_ideal_share as target_ideal,
    target_max_share as target_max,
    null as info_below,
    null as info_above,
    target_min_share as warning_below,
    target_max_share as warning_above,
    null as critical_below,
    null as critical_above,
    20 as min_n,
    source
from {{ ref('guard_pass_rate_targets') }}
