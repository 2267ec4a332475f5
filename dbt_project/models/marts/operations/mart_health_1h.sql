{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'run_days', 'column': "bucket_start_at"}},
) }}
{{ health_buckets(hour_ist('bucket_start_at'), 'interval 1 hour') }}
order by bucket_start_at
