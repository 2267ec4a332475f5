select stream, date_ist, file_count, record_count, text_bytes, landed_bytes, damaged_bytes, rejected_line_count, first_emitted_at, last_emitted_at
from marts.mart_stream_volume
where date_ist >= $first and date_ist < $end
order by date_ist, stream
