"""Light curves: the bins that can be used."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.ingest.read.events import NO_TIME
from pipeline.ingest.reject import Rejected
from pipeline.ingest.times import gti as good_time
from pipeline.status import Flag, Status

NO_VALUE = -99999.0
"""The number that GOES/XRS writes where it has no data."""

_MOST_EXPOSED = 10.0
"""An exposed fraction above this is damaged; some sound ones are a little more than 1."""


@dataclass(frozen=True)
class LightCurve:
    """Bins that were kept.

    Attributes
    ----------
    start : float
        Start of the first bin, s from the reference epoch.
    time : ndarray, shape (n,)
        Centres of the bins in order, s from `start`.
    rate : ndarray, shape (n,)
        Rate or flux.
    rate_err, fracexp : ndarray, shape (n,) or (0,)
        Errors, and exposed fractions; empty if unknown.
    gti : ndarray, shape (m, 2)
        Good time intervals, s from `start`, those less than a bin apart joined.
    exposure : float
        Good time in the bins, s.
    flags : Flag
        UNSORTED, TIMES_DROPPED, NO_GTI.
    dropped : int
        Bins without a finite time or value, or marked bad.
    """

    start: float
    time: np.ndarray
    rate: np.ndarray
    rate_err: np.ndarray
    fracexp: np.ndarray
    gti: np.ndarray
    exposure: float
    flags: Flag
    dropped: int = 0


@dataclass(frozen=True)
class Measured:
    """The values in the bins of a light curve.

    Attributes
    ----------
    rate : ndarray, shape (n,)
        Rate or flux.
    rate_err, fracexp : ndarray, shape (n,) or (0,)
        Errors, and exposed fractions; empty if unknown.
    bad : ndarray of bool, shape (n,)
        Bins that the file marks as bad.
    """

    rate: np.ndarray
    rate_err: np.ndarray
    fracexp: np.ndarray
    bad: np.ndarray

    def at(self, index: np.ndarray) -> "Measured":
        """Return the values in some bins, or in another order."""
        columns = (self.rate, self.rate_err, self.fracexp, self.bad)
        return Measured(*(column[index] if len(column) else column for column in columns))


MOST_BANDS = 64


def as_bands(values: np.ndarray, n: int) -> np.ndarray:
    """Turn a column of arrays into rows of bands and columns of times.

    Parameters
    ----------
    values : ndarray
        A column: one value a row, several bands a row (eROSITA), or all times in one row (GOES).
    n : int
        Number of times.

    Returns
    -------
    ndarray, shape (bands, n)

    Raises
    ------
    Rejected
        NO_DATA when there are no times and no values, BAD_TIME when the column does not hold a whole number of
        values a time, or too many for bands.
    """
    if not n and not values.size:
        raise Rejected(Status.NO_DATA, "the light curve has no rows: nothing was measured")
    if not n or values.size % n or not values.size:
        raise Rejected(
            Status.BAD_TIME, f"{values.size} values cannot be assigned to {n} times: fetch it again"
        )
    if values.size > MOST_BANDS * n:
        raise Rejected(
            Status.BAD_TIME,
            f"{values.size // n} values a time are no energy bands: say in ingest.tables which "
            "column is the light curve",
        )
    return values.reshape(n, -1).T


def in_good_time(
    centre: np.ndarray, measured: Measured, gti: np.ndarray, dt: float, min_fracexp: float
) -> LightCurve:
    """Keep the good bins of a light curve.

    Parameters
    ----------
    centre : ndarray, shape (n,)
        Centres of the bins, s from the reference epoch, in any order.
    measured : Measured
        The values in the bins.
    gti : ndarray, shape (m, 2)
        Merged good time intervals of the file. If there are none, the span of the bins is used. A light curve
        does not resolve gaps that are shorter than a bin: intervals closer than that are joined, and if the
        file has no FRACEXP they give it.
    dt : float
        Width of a bin, s.
    min_fracexp : float
        Bins with a smaller exposed fraction are left out.

    Raises
    ------
    Rejected
        BAD_TIME without a finite time, NO_DATA when nothing is left.
    """
    if not np.isfinite(measured.rate_err).any():
        measured = replace(measured, rate_err=np.empty(0))
    count, in_order = len(centre), good_time.in_order(centre)
    if not (count and in_order):
        finite = np.isfinite(centre)
        if not finite.any():
            raise Rejected(Status.BAD_TIME, NO_TIME)
        in_order = good_time.in_order(centre[finite])
        order = np.flatnonzero(finite)[np.argsort(centre[finite], kind="stable")]
        measured, centre = measured.at(order), centre[order]
    usable = _usable(centre, measured, min_fracexp) & ~measured.bad
    if not usable.any():
        raise Rejected(
            Status.NO_DATA,
            f"none of {count} bins has a finite time and value, good quality and an exposed "
            f"fraction of at least {min_fracexp:g} (ingest.min_fracexp)",
        )
    flags = Flag(0) if in_order else Flag.UNSORTED
    if np.count_nonzero(usable) < count:
        flags |= Flag.TIMES_DROPPED
    closed = good_time.close_gaps(gti, dt)
    kept = usable & good_time.inside_in_order(centre, closed)
    if not kept.any():
        if len(gti):
            raise Rejected(Status.NO_DATA, _outside(usable, gti))
        kept, flags = usable, flags | Flag.NO_GTI
        closed = np.array([[-np.inf, np.inf]])
    elif not len(measured.fracexp):
        fracexp = good_time.overlap(centre - dt / 2, centre + dt / 2, gti) / dt
        measured = replace(measured, fracexp=fracexp)
    dropped = count - int(np.count_nonzero(usable))
    return _kept(centre[kept], measured.at(kept), closed, dt, flags, dropped)


def _outside(usable: np.ndarray, gti: np.ndarray) -> str:
    """Say that no bin lies in the good time intervals."""
    return (
        f"none of {np.count_nonzero(usable)} bins with a value lies in the good time intervals "
        f"({len(gti)} from {gti[0, 0]:.10g} to {gti[-1, 1]:.10g} s): mend them"
    )


def _kept(
    centre: np.ndarray,
    measured: Measured,
    gti: np.ndarray,
    dt: float,
    flags: Flag,
    dropped: int,
) -> LightCurve:
    """Return the light curve of the bins that are kept."""
    fracexp = measured.fracexp
    start, stop = centre[0] - dt / 2, centre[-1] + dt / 2
    exposed = float(np.sum(fracexp) if len(fracexp) else len(centre)) * dt
    return LightCurve(
        start=start,
        time=centre - start,
        rate=measured.rate,
        rate_err=measured.rate_err,
        fracexp=fracexp.astype(np.float32),
        gti=np.clip(gti, start, stop)[(gti[:, 1] > start) & (gti[:, 0] < stop)] - start,
        exposure=min(exposed, _covered(centre, dt)),
        flags=flags,
        dropped=dropped,
    )


def _covered(centre: np.ndarray, dt: float) -> float:
    """Return the time that bins cover, s; bins side by side, or that overlap, cover their span."""
    spacing = np.diff(centre)
    beside = spacing <= 1.5 * dt
    return float(np.sum(spacing[beside])) + dt * (1 + np.count_nonzero(~beside))


def _usable(centre: np.ndarray, measured: Measured, min_fracexp: float) -> np.ndarray:
    """Return which bins have a value, an exposure, and a time of their own, as booleans."""
    fracexp = measured.fracexp
    usable = np.isfinite(measured.rate) & (measured.rate != NO_VALUE)
    if len(measured.rate_err):
        usable &= np.isfinite(measured.rate_err)
    if len(fracexp):
        usable &= (fracexp >= min_fracexp) & (fracexp <= _MOST_EXPOSED)
    usable[1:] &= np.diff(centre) > 0
    return usable
