"""The quality gate: a catalogue in which too many sources failed is not published."""

from collections import Counter
from collections.abc import Sequence

from pipeline.status import HAS_RESULT, Status


def quality_gate(
    statuses: Sequence[str], reasons: Sequence[str], max_failed_fraction: float
) -> str:
    """Say why a catalogue must not be published.

    Parameters
    ----------
    statuses, reasons : sequence of str
        Of every source.
    max_failed_fraction : float
        Largest fraction of sources that may be without a result.

    Returns
    -------
    str
        One line with the three most frequent causes, each with its count and an example; empty if
        the catalogue may be published.
    """
    failed = [
        (Status(s), r)
        for s, r in zip(statuses, reasons, strict=True)
        if Status(s) not in HAS_RESULT
    ]
    if len(failed) <= max_failed_fraction * len(statuses):
        return ""
    counts = Counter(status for status, _ in failed).most_common(3)
    examples = dict(reversed(failed))
    causes = "; ".join(
        f"{n} x {status.value} (such as: {examples[status]})" for status, n in counts
    )
    return (
        f"{len(failed)} of {len(statuses)} sources have no result, more than "
        f"catalog.max_failed_fraction = {max_failed_fraction:g} allows. Most frequent: {causes}"
    )
