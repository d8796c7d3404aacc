"""From the observations of a series to the rows of SPECTRA."""

from typing import Any

import numpy as np

from pipeline.config.segment import SegmentOptions
from pipeline.segment.kept import Kept
from pipeline.segment.observation import Header, Observation, Observations
from pipeline.segment.products.power_spectra import columns, readymade, timing

SAME_STEP = 0.01
"""Part by which the widths of the bins of light curves may differ that are averaged."""


def product_rows(observations: Observations, options: SegmentOptions) -> list[dict[str, Any]]:
    """Return the rows of SPECTRA for a series.

    Parameters
    ----------
    observations : Observations
        At least one. They are read again rather than all kept in memory, if they are large.
    options : SegmentOptions
        Options.

    Returns
    -------
    list of dict
        One row, or more where observations differ too much to be averaged (in time resolution or
        in frequency bins): then the products are numbered from the second on. Where several lengths of
        a segment are asked for there is one for each that fits.
    """
    kept = Kept(observations.__getitem__, lambda one: one.nbytes)
    positions = {header.number: i for i, header in enumerate(observations.headers)}
    observations = Observations(observations.headers, lambda h: kept(positions[h.number]))
    rows = []
    for number, members in enumerate(_alike(observations), start=1):
        some = observations.some(members)
        if some.headers[0].kind == "spectrum":
            results: list[columns.Result] = [readymade.averaged(some, options)]
        else:
            results = timing.averages(some, options)
        mark = f"#{number}" if number > 1 else ""
        rows += [columns.row(result, some.headers, mark) for result in results]
    return rows


def _alike(observations: Observations) -> list[list[int]]:
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
        and readymade.of_ordinates(a) == readymade.of_ordinates(b)
        and _close(a.frequency_lo, b.frequency_lo)
        and _close(a.frequency_hi, b.frequency_hi)
    )


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether edges are the same to a millionth."""
    return a.shape == b.shape and bool(np.allclose(a, b, 1e-6, 0, equal_nan=True))
