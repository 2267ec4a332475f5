-- Which guard decided, alone or with others, and by how much was its limit missed?
select bot, veto_guard_primary, is_only_causal_veto, count(*) as rejection_count, median(margin_abs) as median_margin
from marts.fct_guard_rejections
where is_canonical
group by all
order by bot, rejection_count desc, veto_guard_primary;

-- How many guard tokens in the log took a direction away, and how many labelled a decision that had none?
select guard_token, is_guard_token_causal, count(*) as rejection_count
from marts.fct_guard_rejections
where guard_token is not null
group by all
order by guard_token, is_guard_token_causal;

-- Which side was held back, and is that side a chosen arm or an assumption?
select bot, blocked_side, blocked_side_method, blocked_side_null_reason, count(*) as rejection_count
from marts.fct_guard_rejections
where is_canonical
group by all
order by bot, rejection_count desc, blocked_side;
