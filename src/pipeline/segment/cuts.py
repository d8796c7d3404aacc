"""The observations of a series, cut into uninterrupted intervals of bins."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from pipeline.config.segment import SegmentOptions
from pipeline.refusal import Refusal
from pipeline.segment.intervals import frames, lengths
from pipeline.segment.intervals.series import Series, cut
from pipeline.segment.kept import Kept
from pipeline.segment.observation import Header, Observation, Observations
from pipeline.status import Status


class Cuts:
    """Event lists, or light curves, that are averaged, with one width of a bin for each.

    Each is read and cut when it is asked for; see `pipeline.segment.kept` for how long it is kept.

    Attributes
    ----------
    steps : list of float
        Width of a bin of each, s.
    """

    def __init__(self, observations: Observations, dt: float, max_gap: int) -> None:
        """Choose the widths of the bins.

        Parameters
        ----------
        observations : Observations
            All events, or all light curves.
        dt : float
            Width of a bin that is asked for, for events, s.
        max_gap : int
            Bins in the longest gap of a light curve that is filled.

        Raises
        ------
        Refusal
            Where the width of the bins of a light curve is not known.
        """
        self._observations = observations
        self.steps = widths(observations.headers, dt)
        self._cut = Kept(
            lambda i: cut(observations[i], self.steps[i], max_gap), lambda series: series.nbytes
        )

    def __len__(self) -> int:
        return len(self._observations)

    def __getitem__(self, position: int) -> tuple[Observation, Series]:
        """Return an observation and its intervals."""
        return self._observations[position], self._cut(position)

    @cached_property
    def bins(self) -> list[np.ndarray]:
        """Whole bins in each interval, an array an observation."""
        return [self._cut(position).bins for position in range(len(self))]

    @property
    def longest(self) -> int:
        """Which observation has the interval with most bins."""
        return int(np.argmax([np.max(bins, initial=0) for bins in self.bins]))

    @property
    def longest_file(self) -> str:
        """File of that observation."""
        return self._observations.headers[self.longest].file

    @property
    def longest_interval(self) -> float:
        """Length of that interval, s."""
        return float(self.bins[self.longest].max() * self.steps[self.longest])

    def segment_bins(self, options: SegmentOptions, length: lengths.Length) -> int:
        """Return how many bins a segment has; see `pipeline.segment.intervals.lengths.segment_bins`."""
        return lengths.segment_bins(self.bins, self.steps, options, length, self.longest_file)


def widths(headers: Sequence[Header], requested: float) -> list[float]:
    """Return the width of a bin of each observation, s.

    Raises
    ------
    Refusal
        Where that of a light curve is not known.
    """
    if headers[0].kind == "events":
        ticks = [header.tick for header in headers]
        return frames.common_widths(requested, [header.dt for header in headers], ticks)
    for header in headers:
        if not header.dt > 0:
            reason = f"{header.file}: the width of the bins is not known; give it as TIMEDEL"
            raise Refusal(Status.BAD_TIME, reason)
    return [header.dt for header in headers]
