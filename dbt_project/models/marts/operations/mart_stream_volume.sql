with stream_days as (select * from {{ ref('int_stream_days') }}),

files as (select * from {{ source('raw', 'files') }} where stream is not null),

volumes as (
    select
        stream,
        date_ist,
        count(*) as file_count,
        cast(sum(record_count) as bigint) as record_count,
        cast(sum(inferred_date_count) as bigint) as inferred_date_count,
        cast(sum(text_bytes) as bigint) as text_bytes,
        min(first_emitted_at) as first_emitted_at,
        max(last_emitted_at) as last_emitted_at
    from stream_days
    group by stream, date_ist
),

-- a file of a dated folder belongs to that day whole, whatever could be read of it
folders as (
    select
        stream,
        try_cast(partition_date as date) as date_ist,
        count(*) as folder_file_count,
        cast(sum(size_bytes) as bigint) as landed_bytes,
        cast(sum(bytes_damaged) as bigint) as damaged_bytes,
        cast(sum(rejected) as bigint) as rejected_line_count
    from files
    where try_cast(partition_date as date) is not null
    group by all
),

joined as (
    select
        coalesce(volumes.stream, folders.stream) as stream,
        coalesce(volumes.date_ist, folders.date_ist) as date_ist,
        coalesce(volumes.file_count, 0) as file_count,
        coalesce(volumes.record_count, 0) as record_count,
        coalesce(volumes.inferred_date_count, 0) as inferred_date_count,
        coalesce(volumes.text_bytes, 0) as text_bytes,
        volumes.first_emitted_at,
        volumes.last_emitted_at,
        folders.folder_file_count,
        folders.landed_bytes,
        folders.damaged_bytes,
        folders.rejected_line_count
    from volumes
    full outer join folders on volumes.stream = folders.stream and volumes.date_ist = folders.date_ist
),

compared as (
    select
        *,
        lag(date_ist) over (partition by stream order by date_ist) as previous_date_ist,
        lag(record_count) over (partition by stream order by date_ist) as previous_record_count,
        lag(text_bytes) over (partition by stream order by date_ist) as previous_text_bytes,
        sum(text_bytes) over (partition by date_ist) as day_text_bytes,
        row_number() over (partition by date_ist order by text_bytes desc, stream) as size_rank
    from joined
)

select
    stream,
    date_ist,
    file_count,
    record_count,
    inferred_date_count,
    text_bytes,
    {{ ratio('text_bytes', 'record_count') }} as text_bytes_per_record,
    folder_file_count,
    landed_bytes,
    damaged_bytes,
    rejected_line_count,
    case when landed_bytes is null then 'file_not_dated' end as landed_bytes_null_reason,
    first_emitted_at,
    last_emitted_at,
    previous_date_ist,
    date_ist - previous_date_ist as days_since_previous_count,
    {{ ratio('record_count', 'previous_record_count') }} as record_growth_factor,
    {{ ratio('text_bytes', 'previous_text_bytes') }} as text_growth_factor,
    case
        when previous_date_ist is null then 'first_day'
        when previous_record_count = 0 then 'nothing_before'
    end as growth_null_reason,
    {{ ratio('text_bytes', 'day_text_bytes') }} as day_bytes_share,
    size_rank
from compared
