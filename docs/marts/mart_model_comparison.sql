-- Is each new version better than the one before, figure by figure?
select subject, version_no, figure, before, after, gain, change, gain_null_reason
from marts.mart_model_comparison
where gain is not null
order by subject, version_no, figure;

-- Which models are ready to trade, and which rule fails for the others?
select distinct model_name, version_no, is_ready, failed_readiness_rules
from marts.mart_model_comparison
where source_system = 'huracan'
order by version_no;

-- Where would one better figure have hidden a worse one?
select subject, version_no, figure, gain
from marts.mart_model_comparison
where seed_is_improved and change = 'worse'
order by subject, version_no, figure;
