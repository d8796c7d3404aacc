"""Events and light curves in a form that can be folded at a trial frequency."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.segment.intervals import gti
from pipeline.segment.pulsations import phases

CYCLES = 50, 100
"""Cycles in the shortest block, where the span has few of them and where it has many. Over x cycles a QPO loses its phase,
except that log p is 1 / (1 - Q / (pi x)) times too large: 1.2 times for Q = 50 and x = 100."""

_AIM, _MOST_BLOCKS = 12, 512
_CELLS = 8  # in a segment: the phasor of a cell is good for its frequency +- 1 / segment
_COARSE = 512  # cells of the span, for a frequency that is known to about 1 / span


@dataclass(frozen=True)
class Folded:
    """Phasors of a frequency and of its multiples, in cells of time.

    Attributes
    ----------
    phasors : ndarray of complex, shape (n_cell, harmonics)
        Less the phasors of a steady rate.
    counts, middle : ndarray, shape (n_cell,)
        Counts in the cells, and their middles, s.
    """

    phasors: np.ndarray
    counts: np.ndarray
    middle: np.ndarray


@dataclass(frozen=True)
class Series:
    """Events or bins of an observation; times are from the start of its first good time interval.

    Attributes
    ----------
    time : ndarray, shape (n,)
        Of events, or middles of bins, s, increasing.
    start, stop : ndarray, shape (n_gti,)
        Good time intervals, sorted and disjoint, s.
    segment : float
        Length of a segment of the averaged periodogram, s.
    resolution : float
        Of the times, s; 0 if unknown.
    counts, weight : ndarray, shape (n,), or None
        Of bins: counts, and by how many they exceed the mean of their segment. None: events.
    width : float
        Of the bins, s; 0: events.
    """

    time: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    segment: float
    resolution: float = 0.0
    counts: np.ndarray | None = None
    weight: np.ndarray | None = None
    width: float = 0.0

    @classmethod
    def events(
        cls,
        time: np.ndarray,
        gti_start: np.ndarray,
        gti_stop: np.ndarray,
        segment: float,
        resolution: float = 0.0,
    ) -> "Series":
        """Keep the events in good time intervals.

        Parameters
        ----------
        time : ndarray, shape (n_event,)
            s, increasing.
        gti_start, gti_stop : ndarray, shape (n_gti,)
            s.
        segment, resolution : float
            See the class.
        """
        start, stop = gti.merge(gti_start, gti_stop)
        edges = np.searchsorted(time, np.column_stack([start, stop]))
        kept = np.concatenate([time[:0], *(time[a:b] for a, b in edges)])
        first = start[0] if len(start) else 0.0
        return cls(kept - first, start - first, stop - first, segment, resolution)

    @classmethod
    def bins(
        cls, time: np.ndarray, rate: np.ndarray, variance: float, dt: float, segment: float
    ) -> "Series":
        """Make one of the bins of a light curve, as if they were counts.

        Parameters
        ----------
        time, rate : ndarray, shape (n,)
            Middles of bins, s, increasing; rates, all finite.
        variance : float
            Mean squared error of the rates. The counts are as many as have that relative error.
        dt, segment : float
            Width of the bins and length of a segment, s.
        """
        start, stop = gti.merge(time - 0.501 * dt, time + 0.501 * dt)
        counts = rate * (np.mean(rate) / variance)
        run = np.searchsorted(start, time, side="right") - 1
        group = np.unique(
            run * 2.0**32 + np.floor((time - start[run]) / segment), return_inverse=True
        )[1]
        mean = np.bincount(group, counts) / np.bincount(group)
        first = start[0]
        return cls(
            time=time - first,
            start=start - first,
            stop=stop - first,
            segment=segment,
            resolution=dt,
            counts=counts,
            weight=counts - mean[group],
            width=dt,
        )

    @cached_property
    def exposure(self) -> float:
        """Good time, s."""
        return float(np.sum(self.stop - self.start))

    @property
    def cell(self) -> float:
        """Width of a cell of time, s."""
        return self.segment / _CELLS

    @property
    def n_cell(self) -> int:
        """Cells in the span of the observation."""
        return int(np.ceil(self.stop[-1] / self.cell)) if len(self.stop) else 0

    def blocks(self, frequency: float, time: np.ndarray) -> np.ndarray:
        """Return the block that each of increasing times is in: so long that the phases of noise are independent."""
        block = (time / self.block(frequency)).astype(np.int64)
        return np.cumsum(np.diff(block, prepend=block[:1]) > 0)

    def block(self, frequency: float) -> float:
        """Return the length of a block, s."""
        cycles = min(max(frequency * self.stop[-1] / _AIM, CYCLES[0]), CYCLES[1])
        return max(cycles / frequency, self.exposure / _MOST_BLOCKS, self.cell)

    def phasors(self, frequency: float, cell: float, n_cell: int) -> np.ndarray:
        """Return the phasor of each cell, less the phasor of a steady rate; see `phases`."""
        total = phases.cell_phasors(self.time, self.weight, frequency, cell, n_cell)
        if self.weight is None:
            return total - self._pieces.phasors(frequency, cell, n_cell)
        return total / np.sinc(frequency * self.width)

    def folded(self, frequency: float, harmonics: int) -> "Folded":
        """Return the phasors of a frequency and its multiples in `_COARSE` cells of the span."""
        n_cell = _COARSE
        cell = self.stop[-1] / n_cell
        total = phases.folded_phasors(self.time, self.weight, frequency, cell, n_cell, harmonics)
        multiples = np.arange(1, harmonics + 1)
        if self.counts is None:
            pieces = phases.pieces(self.time, self.start, self.stop, cell, self.segment)
            for k in multiples:
                total[:, k - 1] -= pieces.phasors(k * frequency, cell, n_cell)
            counts = phases.sum_in_cells(pieces.middle, pieces.counts, cell, n_cell)
        else:
            total /= np.sinc(multiples * frequency * self.width)
            counts = phases.sum_in_cells(self.time, self.counts, cell, n_cell)
        return Folded(total, counts, (np.arange(n_cell) + 0.5) * cell)

    @cached_property
    def _pieces(self) -> phases.Pieces:
        return phases.pieces(self.time, self.start, self.stop, self.cell, self.segment)
