"""Row conservation: every source of OBSERVATIONS reaches the catalogue, whatever went wrong with it."""

from collections.abc import Collection, Iterable, Mapping

from pipeline.status import Status

_NO_SOURCE = frozenset({Status.DUPLICATE, Status.SET_ASIDE})


class RowsLost(RuntimeError):
    """A stage did not hand on exactly the sources it was given: a bug, never the data's fault."""


def expected_sources(files: Iterable[Mapping]) -> set[str]:
    """Return the sources that the catalogue must have.

    Parameters
    ----------
    files : iterable of mapping
        Rows of OBSERVATIONS with ``source_id`` and ``status``. Duplicates and files set aside
        make no source of their own; a rejected file that names its source does.
    """
    return {
        f["source_id"] for f in files if f["source_id"] and Status(f["status"]) not in _NO_SOURCE
    }


def conserve(stage: str, expected: Collection[str], found: Collection[str]) -> None:
    """Raise unless a stage found exactly the expected sources.

    Raises
    ------
    RowsLost
        Naming the stage and up to ten sources that are missing or that nobody knows.
    """
    missing, unknown = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    parts = [
        f"{len(ids)} source(s) {what}: {', '.join(ids[:10])}{', …' if len(ids) > 10 else ''}"
        for what, ids in (("missing", missing), ("that the stage before does not have", unknown))
        if ids
    ]
    if parts:
        raise RowsLost(f"{stage}: {'; '.join(parts)}")
