"""Expected faults of publishing and reading: one sentence for people, and the exit code of the command line."""

from collections.abc import Collection
from pathlib import Path

_NAMED = 5


class ServingError(Exception):
    """Base of every expected fault; `exit_code` is what the command line returns for it."""

    exit_code = 1


class NothingPublishedError(ServingError):
    """There is no version to read, or no marts to publish."""

    exit_code = 2


class MartsMissingError(NothingPublishedError):
    """Marts that the version before has are missing; nothing was changed."""


class PublicationError(ServingError):
    """The folder of the versions has no room, no rights or no turn for us; nothing was changed."""

    exit_code = 5


class QueryError(ServingError):
    """The query is wrong, or wants more than to read."""

    exit_code = 3


def no_room(folder: Path, needed: int, free: int) -> PublicationError:
    """Fault of a folder with too little room, in bytes."""
    return PublicationError(
        f"There is no room in {folder} for a version of the marts ({needed / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free): "
        "make room and publish again; the version before it stays."
    )


def marts_missing(marts: Path, missing: Collection[str], *, is_expected: bool) -> MartsMissingError:
    """Fault of a file `marts` without tables that the version before has. `is_expected`: the project is known to have them."""
    names = sorted(missing)
    listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    otherwise = "" if is_expected else " (or, when they are meant to be gone, say which marts are `expected`)"
    return MartsMissingError(
        f"Not published: the version before has marts that are missing in {marts} ({listed}): "
        f"`make run` builds them and publishes{otherwise}; "
        "the version before stays."
    )
