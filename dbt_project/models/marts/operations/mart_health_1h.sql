{{ health_buckets(hour_ist('bucket_start_at'), 'interval 1 hour') }}
