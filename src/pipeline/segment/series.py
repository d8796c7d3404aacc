"""An observation as a series of segments: event lists and light curves behind one interface."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.segment import curve, frames, gti
from pipeline.segment.periodogram import (
    Periodogram,
    average,
    curve_blocks,
    event_blocks,
    occupied,
)

MIN_EXPOSED = 0.99
"""Part of a light curve's bin (of its exposed part, where that is known) inside good time."""

VARIANCE_BINS = 64
"""Bins of a segment of events from which the excess variance is taken."""


@dataclass(frozen=True)
class Events:
    """An event list in its good time intervals.

    Attributes
    ----------
    time : ndarray, shape (n_event,)
        Arrival times, s, increasing.
    start : ndarray, shape (n_interval,)
        Starts of the good time intervals, s.
    bins : ndarray of int, shape (n_interval,)
        Whole bins in each.
    dt : float
        Width of a bin, s.
    tick : float
        Spacing of the detector's frames, of which a bin holds a whole number, s; 0 if they are of no
        account.
    """

    time: np.ndarray
    start: np.ndarray
    bins: np.ndarray
    dt: float
    tick: float = 0.0
    gaps_filled = False

    @classmethod
    def cut(cls, time, gti_start, gti_stop, dt, tick=0.0) -> "Events":
        """Make one of arrival times and good time intervals, s; `tick` is 0 if times are not quantised."""
        start, stop = gti.merge(gti_start, gti_stop)
        tick = tick if frames.beats(tick, dt) else 0.0
        if tick:
            start, stop = frames.align(time, start, stop, tick)
        return cls(time, start, gti.whole_bins(start, stop, dt), dt, tick)

    def average(self, n_bin: int, window="none", detrend="constant") -> Periodogram | None:
        """Average the periodograms of segments of `n_bin` bins; None if there is nothing in them.

        For `window` and `detrend` see `pipeline.segment.taper`.
        """
        interval, offset = gti.segment_offsets(self.bins, n_bin)
        start = self.start[interval] + offset * self.dt
        if self.tick:
            start = frames.follow(self.time, start, n_bin * self.dt, self.tick)
        begin, end = np.searchsorted(self.time, [start, start + n_bin * self.dt])
        if not np.any(end > begin):
            return None
        start = start[occupied(end - begin)]
        coarse = max(1, n_bin // VARIANCE_BINS)
        blocks = event_blocks(self.time, start, n_bin, self.dt)
        return _of_counts(
            average(blocks, n_bin, self.dt, coarse, True, window, detrend), n_bin, self.dt, coarse
        )


@dataclass(frozen=True)
class LightCurve:
    """A light curve in runs of regular bins.

    Attributes
    ----------
    curve : Curve
        The bins.
    dt : float
        Width of a bin, s.
    counting : bool
        Whether rate x dt are Poisson counts; if not, the noise comes from the errors.
    """

    curve: curve.Curve
    dt: float
    counting: bool

    @classmethod
    def cut(
        cls, time, rate, rate_err, fracexp, gti_start, gti_stop, dt, counting, max_gap
    ) -> "LightCurve":
        """Make one of the bins inside good time intervals, filling gaps of at most `max_gap` bins.

        Parameters
        ----------
        time, rate : ndarray, shape (n,)
            Centres of bins, s, increasing; rates in them.
        rate_err, fracexp : ndarray, shape (n,) or (0,)
            Errors and exposed fractions; empty if unknown.
        gti_start, gti_stop : ndarray, shape (n_gti,)
            Good time intervals, s.
        """
        exposed = np.minimum(fracexp, 1) if len(fracexp) else 1.0
        good = (
            gti.exposed_fraction(time, dt, *gti.merge(gti_start, gti_stop)) >= MIN_EXPOSED * exposed
        )
        good &= np.isfinite(rate)
        error = rate_err[good] if len(rate_err) else rate_err
        return cls(curve.regularise(time[good], rate[good], error, dt, max_gap), dt, counting)

    @property
    def bins(self) -> np.ndarray:
        """Bins in each run, shape (n_run,)."""
        return self.curve.bins

    @property
    def gaps_filled(self) -> bool:
        """Whether any bin was interpolated."""
        return bool(self.curve.filled.any())

    def average(self, n_bin: int, window="none", detrend="constant") -> Periodogram | None:
        """Average the periodograms of segments of `n_bin` bins; None if there is nothing in them.

        For `window` and `detrend` see `pipeline.segment.taper`.
        """
        run, offset = gti.segment_offsets(self.bins, n_bin)
        first = self.curve.first[run] + offset
        total = self.curve.rate[first[:, None] + np.arange(n_bin)].sum(axis=1) * self.dt
        if not np.any(total):
            return None
        first = first[occupied(total, self.counting)]
        blocks = curve_blocks(self.curve.rate, self.curve.filled, first, n_bin)
        result = average(blocks, n_bin, self.dt, 1, self.counting, window, detrend)
        if self.counting:
            return _of_counts(result, n_bin, self.dt)
        noise = self._mean_squared_error(first, n_bin)
        return replace(result, noise_variance=noise, noise=2 * self.dt * noise)

    def _mean_squared_error(self, first, n_bin):
        """Return the mean squared error of the measured bins of segments, NaN if unknown."""
        if not len(self.curve.rate_err):
            return np.nan
        index = (first[:, None] + np.arange(n_bin)).ravel()
        error = self.curve.rate_err[index[~self.curve.filled[index]]]
        error = error[np.isfinite(error)]
        return float(np.mean(error**2)) if len(error) else np.nan


def _of_counts(result, n_bin, dt, coarse=1):
    """Add the noise of Poisson counts: the variance of a rate is the rate over its bin width."""
    return replace(
        result,
        noise_variance=result.mean_rate / (coarse * dt),
        noise=2 * result.window_rate,
        counts=result.mean_rate * result.m * n_bin * dt,
    )
