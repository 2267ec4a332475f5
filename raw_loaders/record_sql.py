"""The SQL that decides which lines are records of a stream, and why the others are not."""

import json

from raw_loaders.dictionary import Stream
from raw_loaders.strict_sql import strict_tests

_STRUCT_TYPES = {"text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "object": "JSON", "list": "JSON"}
_OFFSET = r"(Z|[+-]\d\d:?\d\d)$"


def _kinds(stream: Stream) -> dict[str, str]:
    return {stream.clock_field: "text", **stream.required}


def _read_once(stream: Stream) -> str:
    """One parse reads the clock and all required keys; TRY turns a line that is no JSON into NULL without failing the rest."""
    structure = json.dumps({key: _STRUCT_TYPES[kind] for key, kind in _kinds(stream).items()})
    return f"try(json_transform(line, '{structure}'))"


def _key_test(key: str, kind: str) -> str:
    value = f'v."{key}"'
    if kind in ("object", "list"):
        return f"coalesce(json_type({value}) = '{'OBJECT' if kind == 'object' else 'ARRAY'}', false)"
    return f"{value} is not null"


def _clock_test(stream: Stream) -> str:
    # without an offset the instant would depend on the reader's time zone; the suffix test only spares the regular expression
    value = f'v."{stream.clock_field}"'
    has_offset = f"(suffix({value}, '+05:30') or regexp_matches({value}, '{_OFFSET}'))"
    return f"coalesce(try_cast({value} as timestamptz) is not null and {has_offset}, false)"


def _is_record(stream: Stream) -> str:
    tests = ["v is not null", *(_key_test(key, kind) for key, kind in stream.required.items()), _clock_test(stream)]
    tests += [test.condition for test in strict_tests(stream)]
    # one expression on purpose: of a bare AND the optimizer pushes each part down, and the line is parsed again for each
    return f"coalesce({' and '.join(tests)}, false)"


def accepted_sql(stream: Stream) -> str:
    """Insert the records among the Arrow relation `lines`. Parameters: $source_file, $load_id."""
    instant = f'v."{stream.clock_field}"::timestamptz'
    emitted_at, bar_open_at = (instant, "null") if stream.clock == "emitted_at" else ("null", instant)
    return f"""
        insert into raw."{stream.name}"
        select $source_file, line_no, byte_offset, member_no, member_offset, line, key_hash, {emitted_at}, {bar_open_at}, $load_id
        from (select *, {_read_once(stream)} as v, try(hash(json_keys(line))) as key_hash from lines)
        where {_is_record(stream)}
    """


def rejected_sql(stream: Stream) -> str:
    """Insert the lines of the Arrow relation `lines` that accepted_sql leaves out, each with its reason.

    The relation has further columns reader_reason, reader_text, text_bytes (set where the reader refused the line).
    Parameters: $source_file, $load_id, $unterminated (number of a last line without line end, or null).
    """
    kinds = _kinds(stream)
    is_absent = {key: f"json_extract_string(line, '$.\"{key}\"') is null" for key in kinds}
    missing = ", ".join(f"case when {absent} then '{key}' end" for key, absent in is_absent.items())
    mistyped = ", ".join(
        f"case when not {_key_test(key, kind)} then '{key} is no {kind}' end" for key, kind in stream.required.items()
    )
    strict = strict_tests(stream)
    reasons = "".join(f"\n                when ({test.condition}) is not true then '{test.reason}'" for test in strict)
    details = "".join(f"\n                when ({test.condition}) is not true then {test.detail}" for test in strict)
    return f"""
        insert into raw.rejected_lines
        with read_once as (
            select *, {_read_once(stream)} as v, try(json_type(line)) as json_type from lines
        ),
        refused as (
            select * from read_once where reader_reason is not null or not {_is_record(stream)}
        ),
        -- only objects are looked into: any other line would make the key look-ups fail
        judged as (
            select *,
                case when json_type = 'OBJECT' then list_filter([{missing}], lambda key: key is not null) else [] end as missing,
                case when json_type = 'OBJECT' then list_filter([{mistyped}], lambda key: key is not null) else [] end as mistyped
            from refused
        )
        select $source_file, '{stream.name}', line_no, byte_offset, member_no, member_offset,
            case
                when reader_reason is not null then reader_reason
                when trim(line, ' \t\r') = '' then 'blank_line'
                when json_type is null and line_no = $unterminated then 'incomplete_line'
                when json_type is null then 'invalid_json'
                when json_type <> 'OBJECT' then 'not_an_object'
                when len(missing) > 0 then 'missing_key'
                when len(mistyped) > 0 then 'wrong_type'
                when not {_clock_test(stream)} then 'bad_clock'{reasons}
                else 'bad_clock'
            end,
            case
                when reader_reason is not null or json_type is null then null
                when json_type <> 'OBJECT' then 'it is ' || lower(json_type)
                when len(missing) > 0 then list_aggregate(missing, 'string_agg', ', ')
                when len(mistyped) > 0 then list_aggregate(mistyped, 'string_agg', ', ')
                when not {_clock_test(stream)} then '{stream.clock_field} = ' || v."{stream.clock_field}"{details}
                else '{stream.clock_field} = ' || v."{stream.clock_field}"
            end,
            coalesce(reader_text, line[1:65536]),
            coalesce(text_bytes, strlen(line)),
            $load_id
        from judged
    """
