-- Books with fills, and a fingerprint of all that their trades are made of: it changes when a fill, a costs record, a price
-- of the path, the end of the run or the matching rule does, and never with the order in which rows came.
with fills as (select * from {{ ref('int_fills') }}),

parts as (select * from {{ ref('int_fill_parts') }}),

reasons as (select * from {{ ref('int_exit_reasons') }}),

calibrations as (select * from {{ ref('int_calibration_at_entry') }} where entry_kind = 'execution'),

closes as (select * from {{ ref('int_bar_closes') }}),

runs as (select * from {{ ref('dim_runs') }}),

newest as (select max(last_emitted_at) as newest_emitted_at from runs),

-- a one-shot start is over with its only bar
ended as (
    select
        runs.run_id,
        runs.last_emitted_at as run_last_emitted_at,
        coalesce(runs.run_kind = 'offline_smoke', false)
        or runs.last_emitted_at < newest.newest_emitted_at - to_seconds({{ var('run_end_after_seconds') }}) as has_run_ended
    from runs
    cross join newest
),

fill_hashes as (
    select
        fills.book_id,
        any_value(fills.bot order by fills.fill_no) as bot,
        any_value(fills.run_id order by fills.fill_no) as run_id,
        any_value(fills.symbol order by fills.fill_no) as symbol,
        count(*) as fill_count,
        -- which load brought a record says nothing about the trade
        sum(cast(hash(fills) as hugeint)) as fill_hash,
        sum(cast(hash(calibrations) as hugeint)) as calibration_hash
    from (select * exclude (load_id) from fills) as fills
    left join calibrations on fills.source_file = calibrations.source_file and fills.line_no = calibrations.line_no
    group by fills.book_id
),

exit_counts as (
    select parts.book_id, count(*) as exit_count, sum(cast(hash(reasons) as hugeint)) as reason_hash
    from parts
    inner join reasons using (trade_id, fill_id)
    group by parts.book_id
),

path_hashes as (
    select
        concat_ws('|', bot, run_id, symbol) as book_id,
        count(*) as path_count,
        sum(cast(hash(bar_close_at, bar_close_px, is_bar_over) as hugeint)) as path_hash
    from closes
    group by all
)

select
    fill_hashes.book_id,
    fill_hashes.bot,
    fill_hashes.run_id,
    fill_hashes.symbol,
    fill_hashes.fill_count,
    coalesce(exit_counts.exit_count, 0) as exit_count,
    ended.run_last_emitted_at,
    coalesce(ended.has_run_ended, true) as has_run_ended,
    md5(concat_ws(
        '|', '{{ var("lot_matching") }}', '{{ var("breakeven_bps") }}', fill_count, fill_hash, calibration_hash,
        coalesce(exit_count, 0), coalesce(reason_hash, 0), coalesce(path_count, 0), coalesce(path_hash, 0),
        coalesce(cast(epoch_us(run_last_emitted_at) as varchar), ''), coalesce(has_run_ended, true)
    )) as fingerprint
from fill_hashes
left join exit_counts using (book_id)
left join path_hashes using (book_id)
left join ended using (run_id)
