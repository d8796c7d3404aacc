"""Find the responses, duplicates and sources of the scanned files, which only the whole archive can tell."""

from collections.abc import Iterable
from operator import attrgetter

from pipeline.ingest.plan.duplicates import mark_duplicates
from pipeline.ingest.plan.found import FoundFile
from pipeline.ingest.plan.responses import assign_responses
from pipeline.ingest.plan.sources import assign_sources, same_positions
from pipeline.status import Flag, Status


def complete(found: Iterable[FoundFile], group_by: str, radius: float = 10.0) -> list[FoundFile]:
    """Complete the files that a scan found. These are left as they are; copies of them are returned.

    Parameters
    ----------
    found : iterable of FoundFile
        From `scan.scan_file` and `scan.objects_in`, in any order.
    group_by : str
        What makes one source: ``observation``, ``object`` or ``position``.
    radius : float, optional
        Arcseconds within which positions are the same.

    Returns
    -------
    list of FoundFile
        In the order of their paths. Every file that can be read has a source. So has a file that cannot be
        read, if it is recognised as an observation and its header names the observation or the object.
    """
    files = sorted((one.copy() for one in found), key=attrgetter("file"))
    assign_responses(files)
    duplicates = mark_duplicates(files)
    assign_sources([f for f in files if f.status != Status.DUPLICATE], group_by, radius)
    for duplicate, original in duplicates:
        duplicate.source_id = original.source_id
        duplicate.observation_id = original.observation_id
    if group_by == "object":
        twins = {source for pair in same_positions(files, radius) for source in pair}
        for one in files:
            if one.source_id in twins:
                one.flags |= int(Flag.SAME_POSITION)
    return files
