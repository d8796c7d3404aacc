"""An observation as a series of segments: event lists and light curves behind one interface."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.segment.intervals import curve, frames, gti
from pipeline.segment.observation import Observation
from pipeline.segment.spectrum.periodogram import (
    Periodogram,
    average,
    curve_blocks,
    event_blocks,
    occupied,
)
from pipeline.segment.spectrum.taper import UNTREATED, Treatment

MIN_EXPOSED = 0.99
"""Least part of a bin of a light curve (of its exposed part, where that is known) inside good time."""

VARIANCE_BINS = 64
"""Bins of a segment of events that the excess variance is computed from."""


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
        Spacing of the detector's frames, s, if a bin holds a whole number of them; 0 if frames are so short that
        they do not matter.
    """

    time: np.ndarray
    start: np.ndarray
    bins: np.ndarray
    dt: float
    tick: float = 0.0

    @classmethod
    def cut(
        cls,
        time: np.ndarray,
        gti_start: np.ndarray,
        gti_stop: np.ndarray,
        dt: float,
        tick: float = 0.0,
    ) -> "Events":
        """Cut arrival times into good time intervals, s; `tick` is 0 if times are not quantised."""
        start, stop = gti.merge(gti_start, gti_stop)
        tick = tick if frames.beats(tick, dt) else 0.0
        if tick:
            start, stop = frames.align(time, start, stop, tick)
        return cls(time, start, gti.whole_bins(start, stop, dt), dt, tick)

    @property
    def gaps_filled(self) -> bool:
        """Whether any bin was interpolated: never."""
        return False

    @property
    def whole_frames(self) -> bool:
        """Whether bins hold a whole number of the detector's frames."""
        return self.tick > 0

    @property
    def nbytes(self) -> int:
        """Memory that it takes, bytes."""
        return self.time.nbytes + self.start.nbytes + self.bins.nbytes

    def average(self, n_bin: int, treated: Treatment = UNTREATED) -> Periodogram | None:
        """Average the periodograms of segments of `n_bin` bins; None if there is nothing in them."""
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
        result = average(blocks, n_bin, self.dt, coarse, True, treated)
        return _of_counts(result, n_bin, self.dt, coarse)


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
    def cut(cls, observation: Observation, dt: float, max_gap: int) -> "LightCurve":
        """Keep the bins inside good time intervals, and fill gaps of at most `max_gap` bins."""
        time, rate, error = observation.time, observation.rate, observation.rate_err
        exposed = np.minimum(observation.fracexp, 1) if len(observation.fracexp) else 1.0
        intervals = gti.merge(observation.gti_start, observation.gti_stop)
        good = gti.exposed_fraction(time, dt, *intervals) >= MIN_EXPOSED * exposed
        good &= np.isfinite(rate)
        error = error[good] if len(error) else error
        regular = curve.regularise(time[good], rate[good], error, dt, max_gap)
        return cls(regular, dt, observation.header.counting)

    @property
    def bins(self) -> np.ndarray:
        """Bins in each run, shape (n_run,)."""
        return self.curve.bins

    @property
    def gaps_filled(self) -> bool:
        """Whether any bin was interpolated."""
        return bool(self.curve.filled.any())

    @property
    def whole_frames(self) -> bool:
        """Whether bins hold a whole number of the detector's frames: nothing is known of them."""
        return False

    @property
    def nbytes(self) -> int:
        """Memory that it takes, bytes."""
        return sum(array.nbytes for array in vars(self.curve).values())

    def average(self, n_bin: int, treated: Treatment = UNTREATED) -> Periodogram | None:
        """Average the periodograms of segments of `n_bin` bins; None if there is nothing in them."""
        run, offset = gti.segment_offsets(self.bins, n_bin)
        first = self.curve.first[run] + offset
        total = self.curve.rate[first[:, None] + np.arange(n_bin)].sum(axis=1) * self.dt
        if not np.any(total):
            return None
        first = first[occupied(total, self.counting)]
        blocks = curve_blocks(self.curve.rate, self.curve.filled, first, n_bin)
        result = average(blocks, n_bin, self.dt, 1, self.counting, treated)
        if self.counting:
            return _of_counts(result, n_bin, self.dt)
        noise = self._mean_squared_error(first, n_bin)
        return replace(result, noise_variance=noise, noise=2 * self.dt * noise)

    def _mean_squared_error(self, first: np.ndarray, n_bin: int) -> float:
        """Return the mean squared error of the measured bins of segments, NaN if unknown."""
        if not len(self.curve.rate_err):
            return np.nan
        index = (first[:, None] + np.arange(n_bin)).ravel()
        error = self.curve.rate_err[index[~self.curve.filled[index]]]
        error = error[np.isfinite(error)]
        return float(np.mean(error**2)) if len(error) else np.nan


Series = Events | LightCurve


def cut(observation: Observation, dt: float, max_gap: int) -> Series:
    """Cut an observation into uninterrupted intervals of bins of `dt` seconds."""
    if observation.header.kind == "events":
        intervals = observation.gti_start, observation.gti_stop
        return Events.cut(observation.time, *intervals, dt, observation.header.tick)
    return LightCurve.cut(observation, dt, max_gap)


def _of_counts(result: Periodogram, n_bin: int, dt: float, coarse: int = 1) -> Periodogram:
    """Add the noise of Poisson counts: the variance of a rate is the rate over its bin width."""
    return replace(
        result,
        noise_variance=result.mean_rate / (coarse * dt),
        noise=2 * result.window_rate,
        counts=result.mean_rate * result.m * n_bin * dt,
    )
