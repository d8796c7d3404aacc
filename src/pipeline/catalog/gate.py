"""The quality gate: a catalogue in which too many sources failed is not published."""

from dataclasses import dataclass, field

import pyarrow as pa

from pipeline.status import HAS_RESULT, Status


@dataclass
class Endings:
    """How the sources of a catalogue ended, whatever the order in which they come.

    Attributes
    ----------
    counts : dict of str to int
        Number of sources by status.
    examples : dict of str to tuple of str
        By status the first source that has it, in the order of the names, and its reason.
    """

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, sources: pa.Table) -> None:
        """Add rows of SOURCES."""
        columns = (sources.column(n).to_pylist() for n in ("status", "source_id", "reason"))
        for status, source, reason in zip(*columns, strict=True):
            self.counts[status] = self.counts.get(status, 0) + 1
            if status not in self.examples or source < self.examples[status][0]:
                self.examples[status] = source, reason


def quality_gate(endings: Endings, max_failed_fraction: float) -> str:
    """Say why a catalogue must not be published.

    Parameters
    ----------
    endings : Endings
        Status and reason of every source.
    max_failed_fraction : float
        Largest fraction of sources that may be without a result.

    Returns
    -------
    str
        One line with the three most frequent causes, each with its count and an example; empty if
        the catalogue may be published.
    """
    total = sum(endings.counts.values())
    failed = {s: n for s, n in endings.counts.items() if Status(s) not in HAS_RESULT}
    if sum(failed.values()) <= max_failed_fraction * total:
        return ""
    order = sorted(failed, key=lambda status: (-failed[status], endings.examples[status]))
    causes = "; ".join(
        f"{failed[status]} x {status} (such as: {endings.examples[status][1]})"
        for status in order[:3]
    )
    return (
        f"{sum(failed.values())} of {total} sources have no result, more than "
        f"catalog.max_failed_fraction = {max_failed_fraction:g} allows. Most frequent: {causes}"
    )
