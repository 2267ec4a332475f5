-- One row per stream and IST day of emission in [$first_day, $end_day): what landed, what was refused, what reached staging.
-- The first step is one SELECT per stream over raw and staging: stream, source_file, line_no, date_ist, is_raw, is_staged,
-- is_attributed.
with dated as (
    {rows_of_streams}
),

-- the day of a file that lies in no date= folder is the day of the last record before the line at hand
undated_files as (
    select source_file from raw.files where stream is not null and partition_date is null
),

rejected as (
    select
        lines.stream,
        coalesce(try_cast(files.partition_date as date), earlier.date_ist) as date_ist
    from raw.rejected_lines as lines
    inner join raw.files as files on files.source_file = lines.source_file
    asof left join (
        select source_file, line_no, date_ist
        from dated
        where is_raw and source_file in (select source_file from undated_files)
    ) as earlier
        on earlier.source_file = lines.source_file and earlier.line_no <= lines.line_no
),

damaged as (
    select
        ranges.stream,
        coalesce(try_cast(files.partition_date as date), latest.date_ist) as date_ist,
        ranges.byte_end - ranges.byte_start as bytes_damaged,
        ranges.min_lost_records
    from raw.damaged_ranges as ranges
    inner join raw.files as files on files.source_file = ranges.source_file
    left join (
        select source_file, max(date_ist) as date_ist
        from dated
        where is_raw and source_file in (select source_file from undated_files)
        group by source_file
    ) as latest
        on latest.source_file = ranges.source_file
),

rows_by_day as (
    select
        stream,
        date_ist,
        count(distinct source_file) as files,
        count(*) filter (where is_raw) as rows_raw,
        count(*) filter (where is_staged) as rows_staged,
        count(*) filter (where is_attributed) as rows_attributed
    from dated
    group by stream, date_ist
),

rejected_by_day as (
    select stream, date_ist, count(*) as lines_rejected
    from rejected
    group by stream, date_ist
),

damaged_by_day as (
    select
        stream,
        date_ist,
        sum(bytes_damaged)::bigint as bytes_damaged,
        sum(min_lost_records)::bigint as min_lost_records
    from damaged
    group by stream, date_ist
),

joined as (
    select
        date_ist,
        stream,
        coalesce(rows_by_day.files, 0) as files,
        coalesce(rows_by_day.rows_raw, 0) as rows_raw,
        coalesce(rows_by_day.rows_staged, 0) as rows_staged,
        coalesce(rows_by_day.rows_attributed, 0) as rows_attributed,
        coalesce(rejected_by_day.lines_rejected, 0) as lines_rejected,
        coalesce(damaged_by_day.bytes_damaged, 0) as bytes_damaged,
        coalesce(damaged_by_day.min_lost_records, 0) as min_lost_records
    from rows_by_day
    full join rejected_by_day using (stream, date_ist)
    full join damaged_by_day using (stream, date_ist)
    where date_ist >= $first_day and date_ist < $end_day
),

judged as (
    select
        *,
        case
            when rows_raw <> rows_staged then 'raw rows and staged rows differ'
            when rows_staged <> rows_attributed then 'staged rows without bot or run'
            when bytes_damaged > 0 then 'damaged bytes'
            when lines_rejected > 0 then 'rejected lines'
            when date_ist >= (now() at time zone 'Asia/Kolkata')::date then 'the day is not over'
        end as incomplete_reason
    from joined
)

select
    date_ist,
    stream,
    files,
    rows_raw,
    rows_staged,
    rows_attributed,
    lines_rejected,
    bytes_damaged,
    min_lost_records,
    incomplete_reason is null as is_complete,
    incomplete_reason,
    now() as reconciled_at
from judged
