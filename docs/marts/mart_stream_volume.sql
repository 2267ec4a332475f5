-- Which streams log the most, and how long is a record?
select stream, sum(record_count) as record_count, round(sum(text_bytes) / 1e6, 3) as text_mb, round(sum(text_bytes) / sum(record_count)) as bytes_per_record
from marts.mart_stream_volume
group by stream
order by text_mb desc, stream;

-- How did each stream grow from day to day?
select stream, date_ist, record_count, previous_date_ist, round(record_growth_factor, 2) as growth, growth_null_reason
from marts.mart_stream_volume
where stream in ('ensemble_log', 'hyperliquid_fills', 'execution_log')
order by stream, date_ist;

-- Which stream is the largest of each day, and what share of the day's text is it?
select date_ist, stream, text_bytes, round(day_bytes_share, 3) as day_bytes_share
from marts.mart_stream_volume
where size_rank = 1
order by date_ist;
