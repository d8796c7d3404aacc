"""Power spectra of raw powers against the light curves of the same source.

A periodogram of a light curve of length T has T independent powers a Hz. A power spectrum that claims many
more, because its `oversampling` was copied from another file, is not that light curve's.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

ALLOWED = 1.2
"""How many times as many independent powers as a light curve has are still taken for its own."""


def claimed(frequency_lo, frequency_hi, n) -> float:
    """Return the length of a light curve that has so many independent powers, s.

    Parameters
    ----------
    frequency_lo, frequency_hi, n : ndarray, shape (n_bins,)
        Edges, Hz, and independent ordinates in each bin.
    """
    width = np.asarray(frequency_hi) - np.asarray(frequency_lo)
    return float(np.median(np.asarray(n) / width)) if len(width) else np.nan


def overstated(index: Iterable[Mapping], read: Callable[[int], Mapping]) -> set[tuple[str, str]]:
    """Return the sources and products of raw powers that claim more than the longest light curve has.

    Parameters
    ----------
    index : iterable of mapping
        Rows of INGEST with ``source_id``, ``product``, ``kind``, ``mission``, ``instrument``, ``status``.
    read : callable
        Returns the arrays of a row by its number.

    Returns
    -------
    set of (str, str)
        Only light curves of the same mission and instrument are compared with.
    """
    curves, spectra = {}, {}
    for number, row in enumerate(index):
        if row["status"] == "ok" and row["kind"] in ("lightcurve", "spectrum"):
            of_kind = curves if row["kind"] == "lightcurve" else spectra
            key = row["source_id"], row["mission"], row["instrument"]
            of_kind.setdefault(key, []).append((number, row["product"]))
    found = set()
    for key in curves.keys() & spectra.keys():
        span = max(_span(read(number)) for number, _ in curves[key])
        for number, product in spectra[key]:
            row = read(number)
            raw = len(row["n"]) > 0 and not len(row["power_err"])
            edges = row["frequency_lo"], row["frequency_hi"]
            if raw and span > 0 and claimed(*edges, row["n"]) > ALLOWED * span:
                found.add((key[0], product))
    return found


def _span(row) -> float:
    """Return the length of a light curve, gaps included, s."""
    start, stop = row["gti_start"], row["gti_stop"]
    return float(np.max(stop) - np.min(start)) if len(start) else 0.0
