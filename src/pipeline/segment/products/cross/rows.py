"""From two bands of a source to a row of CROSS."""

from typing import Any

import numpy as np

from pipeline.config.segment import SegmentOptions
from pipeline.refusal import Refusal
from pipeline.segment.observation import Read
from pipeline.segment.products.base import Item
from pipeline.segment.products.cross.measure import Measured, Spectra, measure
from pipeline.segment.products.cross.table import CROSS
from pipeline.segment.products.described import identity, of_members
from pipeline.segment.spectrum import coherence
from pipeline.status import Status

COHERENT = 0.05
"""Largest probability of a coherence by chance with which a lag is given."""


def product_row(item: Item, read: Read, options: SegmentOptions) -> dict[str, Any]:
    """Return the row of a pair of bands."""
    xs, ys = item.series
    who = identity(CROSS, xs[0]) | {
        "product": f"{xs[0].product}:{ys[0].product}",
        "ref_band_lo": ys[0].band_lo,
        "ref_band_hi": ys[0].band_hi,
    }
    try:
        return who | _cells(measure(xs, ys, read, options))
    except Refusal as error:
        return who | {"status": error.status, "reason": str(error), "flags": xs[0].flags}


def _cells(measured: Measured) -> dict[str, Any]:
    """Return what was measured."""
    spectra = measured.spectra
    return (
        of_members(measured.members)
        | {
            "status": Status.OK,
            "flags": measured.flags,
            "reason": measured.reason,
            "dt": measured.dt,
            "segment_size": measured.segment_size,
            "m": measured.m,
            "mean_rate": measured.mean_rate[0],
            "ref_mean_rate": measured.mean_rate[1],
            "norm": spectra.norm,
            "noise": spectra.noise[0],
            "ref_noise": spectra.noise[1],
        }
        | _of_bins(spectra)
    )


def _of_bins(spectra: Spectra) -> dict[str, Any]:
    """Return the columns with an element a bin."""
    x, y, c = spectra.x, spectra.y, spectra.cross
    n = x.n
    raw = spectra.coherence
    several = n > 1
    safe = np.where(several, n, 2.0)
    p = np.where(several, coherence.chance(raw, safe), 1.0)
    lag = np.where(p <= COHERENT, np.angle(c), np.nan)
    error = np.where(np.isfinite(lag), coherence.phase_error(raw, safe), np.nan)
    error = np.where(error < np.pi, error, np.nan)
    low, high, limit = (
        np.where(several, coherence.bound(raw, safe, one), np.nan)
        for one in (1 - coherence.ONE_SIGMA, coherence.ONE_SIGMA, coherence.LIMIT)
    )
    period = 2 * np.pi * x.frequency
    return {
        "frequency": x.frequency,
        "frequency_lo": x.frequency_lo,
        "frequency_hi": x.frequency_hi,
        "n": n,
        "power": x.power,
        "ref_power": y.power,
        "cross_real": c.real,
        "cross_imag": c.imag,
        "coherence": raw,
        "coherence_lo": low,
        "coherence_hi": high,
        "coherence_limit": limit,
        "coherence_p": p,
        "phase_lag": lag,
        "phase_lag_err": error,
        "time_lag": lag / period,
        "time_lag_err": error / period,
    }
