"""How many sources have a QPO, and on what evidence."""

from collections.abc import Sequence
from math import isfinite

SIGNIFICANT_Q = 0.01
"""Largest false-discovery rate at which a peak counts as a QPO."""


def qpo_sentence(
    frequencies: Sequence[float], q_values: Sequence[float], min_q: float = 2.0
) -> str:
    """Return how many sources have a QPO, in words that say why.

    A peak is in the catalogue because the information criterion took it; how often noise does the same only a
    simulated p-value tells.

    Parameters
    ----------
    frequencies, q_values : sequence of float
        Of each source ``qpo_frequency`` and ``qpo_q_value``; NaN or None where there is none.
    min_q : float
        Quality factor above which a Lorentzian is called a QPO.
    """
    peaks = [q for f, q in zip(frequencies, q_values, strict=True) if _known(f)]
    tested = [q for q in peaks if _known(q)]
    narrow = f"with a Lorentzian of Q > {min_q:g}"
    if not any(map(_known, q_values)):
        return f"{len(peaks)} {narrow} (no p-values)"
    significant = sum(q <= SIGNIFICANT_Q for q in tested)
    text = f"{significant} with a QPO (false-discovery rate at most {100 * SIGNIFICANT_Q:g} %)"
    rest = [
        f"{number} {why}"
        for number, why in (
            (len(tested) - significant, "not significant"),
            (len(peaks) - len(tested), "without a p-value"),
        )
        if number
    ]
    return f"{text}, {len(peaks) - significant} more {narrow} ({', '.join(rest)})" if rest else text


def _known(value: float | None) -> bool:
    return value is not None and isfinite(value)
