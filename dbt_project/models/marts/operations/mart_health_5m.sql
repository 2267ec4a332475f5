{{ health_buckets('bucket_start_at', 'interval 5 minutes') }}
