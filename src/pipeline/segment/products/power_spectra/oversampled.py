"""Power spectra of raw powers against the light curves of the same source.

A periodogram of a light curve of length T has T independent powers per Hz. A power spectrum that claims many
more, because its `oversampling` was copied from another file, does not belong to that light curve.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from pipeline.segment.observation import Header

ALLOWED = 1.2
"""Largest ratio of the independent powers that a spectrum claims to those that its light curve has."""

INTERVALS = ("gti_start", "gti_stop")
POWERS = ("frequency_lo", "frequency_hi", "n", "power_err")

ReadArrays = Callable[[int, Sequence[str]], Mapping[str, np.ndarray]]


def claimed(frequency_lo: np.ndarray, frequency_hi: np.ndarray, n: np.ndarray) -> float:
    """Return how long a light curve with these independent powers is, s.

    Parameters
    ----------
    frequency_lo, frequency_hi, n : ndarray, shape (n_bins,)
        Edges, Hz, and independent ordinates in each bin.
    """
    width = np.asarray(frequency_hi) - np.asarray(frequency_lo)
    return float(np.median(np.asarray(n) / width)) if len(width) else np.nan


def overstated(index: Iterable[Header], read: ReadArrays) -> set[tuple[str, str]]:
    """Return the sources and products of raw powers that claim more than the longest light curve has.

    Parameters
    ----------
    index : iterable of Header
        All observations of a shard.
    read : callable
        Returns some arrays of an observation, given its number and their names.

    Returns
    -------
    set of (str, str)
        Only light curves of the same mission and instrument are compared with.
    """
    curves: dict[tuple[str, str, str], list[Header]] = {}
    spectra: dict[tuple[str, str, str], list[Header]] = {}
    for header in index:
        if header.usable and header.kind in ("lightcurve", "spectrum"):
            of_kind = curves if header.kind == "lightcurve" else spectra
            key = header.source_id, header.mission, header.instrument
            of_kind.setdefault(key, []).append(header)
    found = set()
    for key in curves.keys() & spectra.keys():
        longest = max(_span(read(header.number, INTERVALS)) for header in curves[key])
        for header in spectra[key]:
            arrays = read(header.number, POWERS)
            raw = len(arrays["n"]) > 0 and not len(arrays["power_err"])
            edges = arrays["frequency_lo"], arrays["frequency_hi"]
            if raw and longest > 0 and claimed(*edges, arrays["n"]) > ALLOWED * longest:
                found.add((header.source_id, header.product))
    return found


def _span(arrays: Mapping[str, np.ndarray]) -> float:
    """Return the length of a light curve, gaps included, s."""
    start, stop = arrays["gti_start"], arrays["gti_stop"]
    return float(np.max(stop) - np.min(start)) if len(start) else 0.0
