-- The ledger of the raw layer. The tables of the streams are made from the dictionary (warehouse.py).
create schema if not exists raw;

create table if not exists raw.meta (key varchar primary key, value varchar not null);

-- One row per file seen in the landing folder: what it is, how far it is read, what was found in it.
create table if not exists raw.files (
    source_file varchar primary key,
    stream varchar,                      -- null for junk and unknown files
    status varchar not null,             -- loaded, salvaged, junk, unknown, missing, unreadable
    status_reason varchar,
    path_bot varchar,                    -- the bot named by the folder; null where the folder mixes bots
    path_owner varchar,                  -- the timeframe folder the file lies under
    partition_date varchar,
    partition_hour varchar,
    partition_asset varchar,
    is_gzip boolean not null,
    is_synthetic boolean not null,
    size_bytes bigint not null,          -- at the time of the last load; = bytes_read + bytes_damaged
    bytes_read bigint not null,
    bytes_damaged bigint not null,
    min_lost_records bigint not null,
    members bigint not null,
    lines bigint not null,               -- = accepted + rejected
    accepted bigint not null,
    rejected bigint not null,
    loaded_at timestamptz,
    load_id varchar,
    mtime_ns bigint not null,
    inode bigint not null,
    resume_offset bigint not null,       -- reading goes on here when the file has grown ...
    resume_line_no bigint not null,      -- ... after this many lines ...
    resume_text_offset bigint not null,  -- ... and this many bytes of text ...
    resume_member_no bigint not null,    -- ... with this member; what was read behind it is read again
    tail_accepted bigint not null,       -- rows behind the resume point
    tail_rejected bigint not null,
    prefix_hash varchar not null         -- of the first and the last bytes before the resume point
);

-- One row per file and load that read something. The counts are of the rows that still bear this load's id.
create table if not exists raw.loads (
    load_id varchar not null,
    source_file varchar not null,
    stream varchar not null,
    mode varchar not null,               -- new, grown, rewritten
    started_at timestamptz not null,
    finished_at timestamptz not null,
    bytes_read bigint not null,          -- bytes of the file this load looked at
    lines bigint not null,
    accepted bigint not null,
    rejected bigint not null,
    status varchar not null,             -- loaded, salvaged, superseded
    primary key (load_id, source_file)
);

create table if not exists raw.rejected_lines (
    source_file varchar not null,
    stream varchar not null,
    line_no bigint not null,
    byte_offset bigint not null,
    member_no bigint not null,
    member_offset bigint not null,
    reason varchar not null,
    detail varchar,
    text varchar not null,               -- at most 64 KiB; unreadable bytes as \xNN
    text_bytes bigint not null,
    load_id varchar not null
);

create table if not exists raw.damaged_ranges (
    source_file varchar not null,
    stream varchar not null,
    byte_start bigint not null,
    byte_end bigint not null,
    reason varchar not null,
    min_lost_records bigint not null,
    member_no bigint not null,
    load_id varchar not null
);

create table if not exists raw.unknown_keys (
    stream varchar not null,
    source_file varchar not null,
    key varchar not null,
    first_line_no bigint not null,
    records bigint not null,
    load_id varchar not null
);

-- Where rows were taken out of a stream's table, because their file was rewritten or its last lines were read again:
-- the hours and bars that lost rows. What is built from the raw tables is rebuilt there, too.
create table if not exists raw.removed_rows (
    load_id varchar not null,            -- of the load that took them out
    stream varchar not null,
    source_file varchar not null,
    hour_at timestamptz,                 -- full UTC hour of emission; null for streams clocked by bar ...
    bar_open_at timestamptz              -- ... which have this instead
);
