"""SQL tests of streams whose format is closed: version, known keys, allowed values, and no label before its decision."""

from dataclasses import dataclass

from raw_loaders.dictionary import Stream


@dataclass(frozen=True)
class StrictTest:
    """A condition on `line` and its parsed keys `v`; a line that does not meet it is refused with `reason` and `detail` (SQL)."""

    condition: str
    reason: str
    detail: str


def strict_tests(stream: Stream) -> list[StrictTest]:
    """The tests of `stream` in the order in which they give the reason; none for a stream that is not strict."""
    rules = stream.strict
    if rules is None:
        return []
    version, wanted = f'v."{rules.version_field}"', rules.version
    known = ", ".join(f"'{key}'" for key in sorted(stream.known_keys))
    unknown = f"list_filter(try(json_keys(line)), lambda key: not list_contains([{known}], key))"
    tests = [
        StrictTest(f"{version} = {wanted}", "unsupported_version", f"'{rules.version_field} = ' || {version}"),
        StrictTest(f"len({unknown}) = 0", "unknown_key", f"list_aggregate({unknown}, 'string_agg', ', ')"),
    ]
    for key, allowed in rules.values.items():
        listed = ", ".join(f"'{value}'" for value in allowed)
        tests.append(StrictTest(f'v."{key}" in ({listed})', "value_not_allowed", f"'{key} = ' || v.\"{key}\""))
    if rules.earlier and rules.later:
        earlier, later = f'try_cast(v."{rules.earlier}" as timestamptz)', f'try_cast(v."{rules.later}" as timestamptz)'
        told = f"'{rules.earlier} = ' || v.\"{rules.earlier}\" || ', {rules.later} = ' || v.\"{rules.later}\""
        tests.append(StrictTest(f"{earlier} is not null and {later} is not null", "bad_clock", told))
        tests.append(StrictTest(f"{later} >= {earlier}", rules.order_reason, told))
    return tests
