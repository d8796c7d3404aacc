"""Complete what a scan found by what only the whole archive tells: responses, duplicates, sources."""

from collections.abc import Iterable
from copy import copy

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
        ``observation``, ``object`` or ``position``: what one source is.
    radius : float, optional
        Arcseconds within which positions are the same.

    Returns
    -------
    list of FoundFile
        In the order of their paths. Every file that is worth reading has a source; so has a file that is
        not, if it is recognisably an observation and says of what.
    """
    files = sorted(map(copy, found), key=lambda one: one.file)
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
