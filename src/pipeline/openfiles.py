"""How many files a process may have open: Dask does not end, and says nothing that helps, where they are too few."""

import resource

from pipeline.faults import MachineFault

LEAST = 64
"""Files that a process of a run opens without workers."""
PER_WORKER = 16
"""Files that the process of the scheduler opens for each worker, at most; two workers take some 25."""


def allow(workers: int) -> None:
    """Let this process, and those that it starts, open as many files as some workers need.

    Parameters
    ----------
    workers : int
        Number of workers of a job.

    Raises
    ------
    MachineFault
        When the system does not allow it.
    """
    needed = LEAST + PER_WORKER * workers
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _suffices(soft, needed):
        return
    if not _suffices(hard, needed):
        raise MachineFault(
            f"a process may have {hard} files open, and {workers} workers need {needed}: raise the limit "
            "(`ulimit -n`) or use fewer workers, then run again"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _suffices(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
