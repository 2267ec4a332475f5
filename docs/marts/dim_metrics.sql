-- How many metrics can these logs really give?
select availability, count(*) as metric_count, list(metric_id order by metric_id)[:5] as for_example
from marts.dim_metrics
group by availability
order by availability;

-- Why is a metric not there?
select metric_id, availability, availability_reason, description
from marts.dim_metrics
where availability <> 'computed'
order by availability, metric_id;

-- Which of the 29 metrics of the second system's list have values, and from which system?
select seed_no, metric_id, unit, availability, source_systems, value_count
from marts.dim_metrics
where seed_no is not null
order by seed_no, metric_id;
