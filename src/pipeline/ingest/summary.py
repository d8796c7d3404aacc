"""The line that a command says at its end."""

import sys
from collections import Counter


def report(subject: str, counts: Counter[str]) -> None:
    """Say on standard error how many there are of each status.

    Parameters
    ----------
    subject : str
        Archive, shard, or number of files that was worked on.
    counts : Counter
        Number by status.
    """
    text = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    print(f"{subject}: {text or 'nothing'}", file=sys.stderr)
