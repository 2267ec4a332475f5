-- Which thresholds of a bot differ between the versions of its code?
select subject, diff, difference_pct, reason, effective_at, effective_null_reason
from marts.fct_config_changes
where subject_kind = 'eligibility'
order by subject, parameter;

-- What did changes of gates do to pass rate and win rate?
select effective_at, subject, mode, diff, pass_rate_before, pass_rate_after, win_rate_before, win_rate_after
from marts.fct_config_changes
where subject_kind = 'gate'
order by effective_at, subject, mode;

-- When did the logs first show another commit?
select first_seen_at, subject as bot, old_text, new_text
from marts.fct_config_changes
where subject_kind = 'code' and parameter = 'git_sha'
order by first_seen_at, bot;
