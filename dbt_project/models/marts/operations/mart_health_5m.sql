{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'run_days', 'column': "bucket_start_at"}},
) }}
{{ health_buckets('bucket_start_at', 'interval 5 minutes') }}
order by bucket_start_at
