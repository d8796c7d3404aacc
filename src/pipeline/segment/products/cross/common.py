"""Two bands of an observation, cut into the segments that both have."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.refusal import Refusal
from pipeline.segment.intervals import curve, frames, gti
from pipeline.segment.intervals.series import MIN_EXPOSED, Events
from pipeline.segment.observation import Header, Observation
from pipeline.segment.spectrum.periodogram import curve_blocks, event_blocks, occupied
from pipeline.status import Status
from pipeline.times import DAY

SAME_GRID = 0.01
"""Part of a bin by which the bins of two light curves may be apart."""


class Common(Protocol):
    """Two series with the same segments."""

    @property
    def dt(self) -> float:
        """Width of a bin, s."""

    @property
    def bins(self) -> np.ndarray:
        """Whole bins in each uninterrupted interval."""

    @property
    def gaps_filled(self) -> bool:
        """Whether any bin was interpolated."""

    def blocks(self, n_bin: int) -> Iterator[np.ndarray]:
        """Yield the rates of some segments in both, shape (2, k, n_bin); nothing where there is no segment with data."""

    def noise_variance(self, n_bin: int) -> np.ndarray:
        """Return the mean squared error of a bin of each, shape (2,); NaN if unknown, -1 where it is that of counts."""


@dataclass(frozen=True)
class CommonEvents:
    """Two event lists of one detector; attributes as of `pipeline.segment.intervals.series.Events`.

    Attributes
    ----------
    times : tuple of ndarray
        Arrival times of each, s, increasing.
    both : Events
        All of them, by which segments are laid.
    """

    times: tuple[np.ndarray, np.ndarray]
    both: Events

    @property
    def dt(self) -> float:
        """Width of a bin, s."""
        return self.both.dt

    @property
    def bins(self) -> np.ndarray:
        """Whole bins in each good time interval."""
        return self.both.bins

    @property
    def gaps_filled(self) -> bool:
        """Whether any bin was interpolated: never."""
        return False

    def blocks(self, n_bin: int) -> Iterator[np.ndarray]:
        """Yield the rates of some segments in both, shape (2, k, n_bin)."""
        both = self.both
        interval, offset = gti.segment_offsets(both.bins, n_bin)
        start = both.start[interval] + offset * both.dt
        if both.tick:
            start = frames.follow(both.time, start, n_bin * both.dt, both.tick)
        begin, end = np.searchsorted(both.time, [start, start + n_bin * both.dt])
        start = start[occupied(end - begin)] if np.any(end > begin) else start[:0]
        if len(start):
            each = (event_blocks(time, start, n_bin, both.dt) for time in self.times)
            for x, y in zip(*each, strict=True):
                yield np.stack([x.rate, y.rate])

    def noise_variance(self, n_bin: int) -> np.ndarray:
        """Return -1: the noise is that of counts."""
        return np.full(2, -1.0)


@dataclass(frozen=True)
class CommonCurves:
    """Two light curves on one grid of bins.

    Attributes
    ----------
    curves : tuple of Curve
        With the same runs.
    dt : float
        Width of a bin, s.
    counting : bool
        Whether rate x dt are counts in both.
    """

    curves: tuple[curve.Curve, curve.Curve]
    dt: float
    counting: bool

    @property
    def bins(self) -> np.ndarray:
        """Bins in each run."""
        return self.curves[0].bins

    @property
    def gaps_filled(self) -> bool:
        """Whether any bin was interpolated."""
        return bool(self.curves[0].filled.any())

    def _first(self, n_bin):
        """Return the first bins of the segments with data, shape (m,)."""
        run, offset = gti.segment_offsets(self.bins, n_bin)
        first = self.curves[0].first[run] + offset
        index = first[:, None] + np.arange(n_bin)
        total = sum(one.rate[index].sum(axis=1) for one in self.curves) * self.dt
        return first[occupied(total, self.counting)] if np.any(total) else first[:0]

    def blocks(self, n_bin: int) -> Iterator[np.ndarray]:
        """Yield the rates of some segments in both, shape (2, k, n_bin)."""
        first = self._first(n_bin)
        if len(first):
            each = (curve_blocks(one.rate, one.filled, first, n_bin) for one in self.curves)
            for x, y in zip(*each, strict=True):
                rate = np.stack([x.rate, y.rate])
                yield rate - rate.mean(axis=2, keepdims=True) * (not self.counting)

    def noise_variance(self, n_bin: int) -> np.ndarray:
        """Return the mean squared error of a measured bin of each, shape (2,)."""
        if self.counting:
            return np.full(2, -1.0)
        index = (self._first(n_bin)[:, None] + np.arange(n_bin)).ravel()
        found = []
        for one in self.curves:
            errors = one.rate_err[index[~one.filled[index]]] if len(one.rate_err) else np.zeros(0)
            errors = errors[np.isfinite(errors)]
            found.append(np.mean(errors**2) if len(errors) else np.nan)
        return np.array(found)


def common(x: Observation, y: Observation, dt: float, max_gap: int) -> Common:
    """Cut two bands of an observation into the intervals that are good in both.

    Parameters
    ----------
    x, y : Observation
        Both events, or both light curves.
    dt : float
        Width of a bin, s.
    max_gap : int
        Bins in the longest gap of light curves that is filled.

    Raises
    ------
    Refusal
        Where they have no time in common.
    """
    later = _seconds_between(x.header, y.header)
    good = gti.common(
        gti.merge(x.gti_start, x.gti_stop), gti.merge(y.gti_start + later, y.gti_stop + later)
    )
    if not len(good[0]):
        raise Refusal(
            Status.NO_DATA, f"{x.header.file} and {y.header.file} have no good time in common"
        )
    if x.header.kind == "events":
        times = x.time, y.time + later
        merged = np.sort(np.concatenate(times), kind="stable")
        return CommonEvents(times, Events.cut(merged, *good, dt, x.header.tick))
    return _curves(x, y, later, good, dt, max_gap)


def _seconds_between(x: Header, y: Header) -> float:
    """Return how much later the times of y begin, s."""
    if (x.mjd_ref < 0) != (y.mjd_ref < 0):
        raise Refusal(
            Status.BAD_TIME, f"only one of {x.file} and {y.file} has a reference epoch (MJDREF)"
        )
    days = y.mjd_ref - x.mjd_ref + (y.mjd_ref_frac - x.mjd_ref_frac)
    return days * DAY + (y.t_start - x.t_start)


def _curves(x, y, later, good, dt, max_gap):
    """Keep the bins that both light curves have in good time, and place them on one grid."""
    number = np.rint((y.time + later - x.time[0]) / dt), np.rint((x.time - x.time[0]) / dt)
    _, mine, other = np.intersect1d(number[1], number[0], return_indices=True)
    apart = np.abs(x.time[mine] - (y.time[other] + later))
    if not len(mine) or np.median(apart) > SAME_GRID * dt:
        raise Refusal(
            Status.NO_DATA,
            f"{x.header.file} and {y.header.file} have no bins of the same times: bin them alike",
        )
    time, rates, errors = x.time[mine], [x.rate[mine], y.rate[other]], []
    kept = np.isfinite(rates).all(axis=0)
    exposed: np.ndarray | float = 1.0
    for one, rows in ((x, mine), (y, other)):
        errors.append(one.rate_err[rows] if len(one.rate_err) else np.zeros(0))
        exposed = np.minimum(exposed, one.fracexp[rows] if len(one.fracexp) else 1.0)
    kept &= gti.exposed_fraction(time, dt, *good) >= MIN_EXPOSED * exposed
    each = [
        curve.regularise(time[kept], rate[kept], error[kept] if len(error) else error, dt, max_gap)
        for rate, error in zip(rates, errors, strict=True)
    ]
    counting = x.header.counting and y.header.counting
    return CommonCurves((each[0], each[1]), dt, counting)
