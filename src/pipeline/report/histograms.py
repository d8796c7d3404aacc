"""Histograms of columns of SOURCES, for the overview of the page."""

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.columns.catalogue import SOURCES
from pipeline.report.embed import compact
from pipeline.report.sources import DERIVED, reduced_deviance
from pipeline.tables import read_parquet

HISTOGRAMS = (
    ("Slope of the power law", "slope", False),
    ("QPO frequency", "qpo_frequency", True),
    ("QPO quality factor", "qpo_q", True),
    ("QPO fractional rms", "qpo_rms", True),
    ("Bend frequency", "bend_frequency", True),
    ("Fractional rms", "rms", True),
    ("Mean rate", "mean_rate", True),
    ("ΔBIC to the runner-up", "delta_bic", True),
    ("Deviance / degrees of freedom", DERIVED, True),
)
"""Title, column, and whether its axis is logarithmic."""
_FREEDOM = ("n_bins", "deviance", "n_free")
_PADDING = 0.001


def histograms(path: Path) -> list[dict[str, Any]]:
    """Return the histogram of each column, reading one after the other.

    Parameters
    ----------
    path : Path
        SOURCES of the catalogue.
    """
    found = []
    for name, column, log in HISTOGRAMS:
        if column == DERIVED:
            values = reduced_deviance(read_parquet(path, SOURCES, _FREEDOM))
        else:
            values = read_parquet(path, SOURCES, (column,)).column(column).to_numpy()
        found.append({"name": name, "column": column, "log": log, **histogram(values, log)})
    return found


def histogram(values: np.ndarray, log: bool) -> dict[str, Any]:
    """Return counts of values in bins of equal width on the axis.

    Parameters
    ----------
    values : ndarray, shape (n,)
        NaN where there is none.
    log : bool
        Whether the axis is logarithmic; values that are not positive are then left out.

    Returns
    -------
    dict
        Number of values ``n``, number ``left_out``, ``median``, ``edges`` of shape (bins + 1,), and
        ``counts``. Without a value, ``edges`` and ``counts`` are empty.
    """
    known = values[np.isfinite(values)]
    kept = known[known > 0] if log else known
    about = {"n": len(kept), "left_out": len(known) - len(kept)}
    if not len(kept):
        return about | {"median": None, "edges": [], "counts": []}
    on_axis = np.log10(kept) if log else kept
    bins = int(np.clip(np.ceil(2 * np.sqrt(len(kept))), 8, 36))
    counts, edges = np.histogram(on_axis, bins, _domain(on_axis, log))
    return about | {
        "median": compact(float(np.median(kept))),
        "edges": [compact(float(edge)) for edge in (10**edges if log else edges)],
        "counts": counts.tolist(),
    }


def _domain(values: np.ndarray, log: bool) -> tuple[float, float]:
    """Return a domain a little wider than the values, and never of no width."""
    lo, hi = float(values.min()), float(values.max())
    if hi - lo < 1e-9 * max(1.0, abs(hi)):
        width = 0.3 if log else 0.5
        lo, hi = lo - width, hi + width
    margin = _PADDING * (hi - lo)
    return lo - margin, hi + margin
