{{ health_buckets(day_ist('bucket_start_at'), 'interval 24 hours') }}
