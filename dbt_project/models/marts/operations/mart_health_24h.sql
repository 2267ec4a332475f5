{{ config(
    materialized='incremental', incremental_strategy='part', on_schema_change='fail',
    meta={'part': {'kind': 'run_days', 'column': "bucket_start_at"}},
) }}
{{ health_buckets(day_ist('bucket_start_at'), 'interval 24 hours') }}
order by bucket_start_at
