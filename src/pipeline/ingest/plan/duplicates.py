"""Observations that are in the archive more than once, byte for byte."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from pipeline.ingest.files.recognise import KINDS
from pipeline.ingest.plan.found import FoundFile
from pipeline.refusal import one_line
from pipeline.status import Status


class Duplicate(NamedTuple):
    """An observation and the earlier file that has the same bytes."""

    file: FoundFile
    original: FoundFile


def possible_duplicates(files: Iterable[FoundFile]) -> list[FoundFile]:
    """Return the observations that may have the same bytes as another, by size and headers.

    Only their checksums are needed; the other files need not be read.
    """
    files = [
        one for one in files if one.kind in KINDS and one.status != Status.SET_ASIDE and one.version
    ]
    sizes = Counter(one.size for one in files)
    groups = defaultdict(list)
    for one in files:
        if sizes[one.size] > 1:
            alike = (one.size, one.kind, one.mission, one.instrument, one.observation_id)
            groups[(*alike, one.object, str(one.mjd_start))].append(one)
    return [one for group in groups.values() if len(group) > 1 for one in group]


def mark_duplicates(files: Iterable[FoundFile]) -> list[Duplicate]:
    """Give the status DUPLICATE to observations with the bytes of an earlier file, and return both."""
    first: dict[tuple[str, str, str], FoundFile] = {}
    duplicates = []
    for one in files:
        if one.kind not in KINDS or one.status == Status.SET_ASIDE or not one.sha256:
            continue
        original = first.setdefault((one.sha256, one.response_version, one.part), one)
        if original is not one:
            one.status = Status.DUPLICATE
            one.reason = one_line(f"byte for byte the same as {original.file}, which is used")
            duplicates.append(Duplicate(one, original))
    return duplicates
