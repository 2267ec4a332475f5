-- What the archive knows. Everything here can be read back from the stores; it lies in the warehouse so that SQL can ask.
create schema if not exists ops;

-- One row per raw partition that was archived: a stream, a date and an asset (hive's null name where the path has none).
create table if not exists ops.archive_partitions (
    stream varchar not null,
    partition_date varchar not null,
    partition_asset varchar not null,
    tier varchar not null,               -- warm, archive: where the one valid copy is
    status varchar not null,             -- verified, failed, conflict, corrupt, missing; all but the first are done again by the next run
    status_reason varchar,
    row_count bigint not null,
    digest varchar not null,             -- of all rows with file, line, offsets and record
    raw_signature varchar not null,      -- changes when rows arrived or were replaced in the raw table
    name varchar not null,               -- of the Parquet file, below the store's root
    size_bytes bigint not null,
    file_hash varchar not null,          -- BLAKE2b of the Parquet file
    verified_at timestamptz not null,
    primary key (stream, partition_date, partition_asset)
);

-- Which landing files the rows of a partition come from.
create table if not exists ops.archive_partition_files (
    stream varchar not null,
    partition_date varchar not null,
    partition_asset varchar not null,
    source_file varchar not null,
    row_count bigint not null,
    digest varchar not null
);

-- One row per landing file that is archived whole: all its bytes can be brought back without it.
create table if not exists ops.archive_files (
    source_file varchar primary key,
    stream varchar,
    state varchar not null,              -- archived; deleted once its landing file was removed by name
    kept_as varchar not null,            -- records, or original where records do not say all of its bytes
    size_bytes bigint not null,
    mtime_ns bigint not null,
    load_id varchar not null,
    content_hash varchar not null,       -- BLAKE2b of the decompressed text, or of the original's bytes
    archived_at timestamptz not null,
    deleted_at timestamptz
);
