"""Expected faults of publishing and reading: one sentence for people, and the exit code of the command line."""

from pathlib import Path


class ServingError(Exception):
    """Base of every expected fault; `exit_code` is what the command line returns for it."""

    exit_code = 1


class NothingPublishedError(ServingError):
    """There is no version to read, or no marts to publish."""

    exit_code = 2


class PublicationError(ServingError):
    """The folder of the versions has no room or no rights; nothing was changed."""

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
