-- Did every decision leave every record it should?
select stream, sum(expected_count) as expected_count, sum(met_count) as met_count, sum(missing_count) as missing_count,
    sum(surplus_count) as surplus_count, sum(unattributed_count) as unattributed_count
from marts.mart_stream_coverage
group by stream
order by stream;

-- On which days is the worst covered stream of each bot below 1?
select date_ist, bot, min_by(stream, (coverage_share, stream)) as worst_stream, round(min(coverage_share), 4) as coverage_share,
    sum(missing_count) as missing_count
from marts.mart_stream_coverage
where coverage_share is not null
group by date_ist, bot
order by coverage_share, date_ist, bot;

-- Which streams owe nothing, and why?
select stream, coverage_null_reason, sum(present_count) as present_count
from marts.mart_stream_coverage
where coverage_null_reason is not null
group by stream, coverage_null_reason
order by stream, coverage_null_reason;
