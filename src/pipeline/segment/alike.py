"""Which observations of a series can be averaged."""

import numpy as np

from pipeline.segment.observation import Header, Observation, Observations

SAME_STEP = 0.01
"""Part by which the widths of the bins of light curves may differ that are averaged."""


def alike(observations: Observations) -> list[list[int]]:
    """Group the observations that can be averaged; return lists of their positions."""
    groups: list[tuple[Observation | Header, list[int]]] = []
    for position, header in enumerate(observations.headers):
        # the bins of a ready-made spectrum are arrays; of the others the header says enough
        one = observations[position] if header.kind == "spectrum" else header
        for first, members in groups:
            if _same(first, one):
                members.append(position)
                break
        else:
            groups.append((one, [position]))
    return [members for _, members in groups]


def _same(a: Observation | Header, b: Observation | Header) -> bool:
    """Return whether two observations can be averaged."""
    if isinstance(a, Observation) and isinstance(b, Observation):
        return _same_bins(a, b)
    if isinstance(a, Observation) or isinstance(b, Observation) or a.kind != b.kind:
        return False
    return a.kind == "events" or abs(a.dt - b.dt) <= SAME_STEP * a.dt


def _same_bins(a: Observation, b: Observation) -> bool:
    """Return whether two ready-made power spectra have the same bins, normalisation and sort of errors."""
    return (
        a.header.norm == b.header.norm
        and bool(np.isfinite(a.header.noise) == np.isfinite(b.header.noise))
        and _of_ordinates(a) == _of_ordinates(b)
        and _close(a.frequency_lo, b.frequency_lo)
        and _close(a.frequency_hi, b.frequency_hi)
    )


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether edges are the same to a millionth."""
    return a.shape == b.shape and bool(np.allclose(a, b, 1e-6, 0, equal_nan=True))


def _of_ordinates(one: Observation) -> bool:
    """Return whether numbers of ordinates are known of a power spectrum, or follow from its errors."""
    return len(one.n) > 0 or bool(np.isfinite(one.header.noise))
