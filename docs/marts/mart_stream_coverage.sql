-- Did every decision leave every record it should?
select stream, sum(expected_count) as expected_count, sum(met_count) as met_count, sum(missing_count) as missing_count,
    sum(surplus_count) as surplus_count, sum(unattributed_count) as unattributed_count
from marts.mart_stream_coverage
group by stream
order by stream;

-- On which days and bots are records missing?
select date_ist, bot, stream, expected_count, missing_count, round(coverage_share, 4) as coverage_share
from marts.mart_stream_coverage
where missing_count > 0
order by missing_count desc, date_ist, bot, stream;

-- Which streams owe nothing, and why?
select stream, coverage_null_reason, sum(present_count) as present_count
from marts.mart_stream_coverage
where coverage_null_reason is not null
group by stream, coverage_null_reason
order by stream, coverage_null_reason;
