select * exclude (null_reasons)
from marts.mart_health_1h
where date_ist >= $first and date_ist < $end
order by bucket_start_at, bot
