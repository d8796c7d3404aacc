"""How a stage makes a table from many items, each of which may end the process that works on it.

A worker writes the rows of the items of its task as a *part*, a file in a scratch folder beside the output, and
returns to the driver only what is small. The driver joins the parts in the order of the table and writes the
output; then the scratch folder is removed.
"""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pipeline.cluster import Outcome, Together, connect, isolating_map
from pipeline.config.cluster import ClusterOptions
from pipeline.temporary import sweep_beside, unfinished

Item = TypeVar("Item")


@contextmanager
def scratch_folder(output: Path) -> Iterator[Path]:
    """Yield an empty folder beside a file that is to be written; it is removed at the end.

    It is this process's own: another one that makes the same file has another folder. What a run that was killed left
    is removed at the start.

    Parameters
    ----------
    output : Path
        The file that the parts in the folder will become.
    """
    folder = unfinished(output, "parts").resolve()
    sweep_beside(output)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def each_outcome(
    work: Callable[[Item], Any],
    items: Sequence[Item],
    cluster: ClusterOptions,
    label: str,
    *,
    sizes: Sequence[int] = (),
    together: Together | None = None,
) -> Iterator[Outcome]:
    """Apply a function to items on a cluster and yield their outcomes as they come.

    A cluster is started only if there are items.

    Parameters
    ----------
    work, items, sizes, together
        See `pipeline.cluster.isolating_map`, also for what is raised.
    cluster : ClusterOptions
        Section of the configuration.
    label : str
        Name of the stage, shown with its progress.
    """
    if items:
        with connect(cluster) as client:
            yield from isolating_map(
                client, work, items, cluster, label, sizes=sizes, together=together
            )


def print_counts(subject: str, counts: Mapping[str, int]) -> None:
    """Print one line on standard error: a subject, and how many there are of each kind."""
    text = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    print(f"{subject}: {text or 'nothing'}", file=sys.stderr)
