"""The observations that are averaged, each with the average of its own segments."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.pvalues import combine
from pipeline.refusal import Refusal
from pipeline.segment.cuts import Cuts
from pipeline.segment.intervals.series import Series
from pipeline.segment.observation import Header, Observation, all_flags
from pipeline.segment.spectrum import average, between, leakage, stationarity
from pipeline.segment.spectrum.periodogram import Periodogram
from pipeline.segment.spectrum.taper import Treatment
from pipeline.status import Flag, Status

NON_STATIONARY = 1e-3
"""Probability of the scatter of the segments' power below which a source is flagged."""

_WEAK = f"its mean net rate is less than {average.SIGNIFICANT:g} of its errors"


@dataclass(frozen=True)
class Member:
    """An observation that was averaged: what is kept of it when its arrays are no longer needed.

    Attributes
    ----------
    header : Header
        Its scalars.
    mjd_stop : float
        Its end (MJD); NaN if unknown.
    flags : Flag
        Flags of the observation and of what was done with it.
    """

    header: Header
    mjd_stop: float
    flags: Flag

    @classmethod
    def of(cls, observation: Observation, flags: Flag | None = None) -> "Member":
        """Return what is kept of an observation, with more flags."""
        header = observation.header
        more = Flag(0) if flags is None else flags
        return cls(header, observation.mjd_stop, Flag(header.flags) | more)


@dataclass(frozen=True)
class Part:
    """An observation in an average of events or light curves.

    Attributes
    ----------
    position : int
        Which of the observations it is.
    member : Member
        What is kept of the observation itself.
    periodogram : Periodogram
        Of its segments.
    seen : object
        What the function `look` of `gather` returned while the observation was in memory.
    """

    position: int
    member: Member
    periodogram: Periodogram
    seen: Any = None


@dataclass(frozen=True)
class Gathered:
    """The observations that can be averaged, and why the others cannot."""

    parts: Sequence[Part]
    unused: Sequence[Refusal]

    @property
    def periodograms(self) -> list[Periodogram]:
        """Periodograms of the observations."""
        return [part.periodogram for part in self.parts]

    @property
    def m(self) -> np.ndarray:
        """Segments of each observation, shape (observations,)."""
        return np.array([part.periodogram.m for part in self.parts])

    @property
    def flags(self) -> Flag:
        """Flags of the observations, and whether some could not be used."""
        some = all_flags(part.member.flags for part in self.parts)
        return some | Flag.PARTIAL if self.unused else some

    @property
    def reason(self) -> str:
        """Why some were not used; empty if all were."""
        return f"{len(self.unused)} observations not used; {self.unused[0]}" if self.unused else ""

    def leakage(self) -> leakage.Assessed:
        """Compare the powers with and without a window, of all observations together."""
        periodograms = self.periodograms
        norm = average.feasible_norm("frac", periodograms)
        return leakage.assess(
            [
                (one.compared, average.factor(norm, one.mean_rate, one.background_rate))
                for one in periodograms
                if one.compared
            ]
        )

    def stationarity(self, ordinates: float) -> float:
        """Return the probability that the power scatters as much between segments, and between observations.

        Parameters
        ----------
        ordinates : float
            Independent ordinates that each ordinate is worth, see `pipeline.segment.spectrum.taper.Taper`.
        """
        periodograms = self.periodograms
        within = stationarity.NOT_COMPARED
        for one in periodograms:
            within += one.scatter
        each = average.normalised(periodograms, average.feasible_norm("frac", periodograms))
        apart = between.scatter(each.power, each.noise, self.m * ordinates)
        return combine([within.p_value, apart.p_value])

    def again(self, cuts: Cuts, n_bin: int, treatment: Treatment) -> "Gathered":
        """Average the segments of the observations once more, treated in another way."""
        parts = [
            replace(part, periodogram=periodogram(*cuts[part.position], n_bin, treatment))
            for part in self.parts
        ]
        return Gathered(parts, self.unused)


Look = Callable[[Observation, Series, Periodogram], Any]


def gather(cuts: Cuts, n_bin: int, treatment: Treatment, look: Look = lambda *_: None) -> Gathered:
    """Average the segments of each observation.

    Parameters
    ----------
    cuts : Cuts
        The observations.
    n_bin : int
        Bins in a segment.
    treatment : Treatment
        What segments go through.
    look : callable, optional
        Finds out more of an observation while it is in memory.

    Raises
    ------
    Refusal
        Where no observation can be averaged.
    """
    parts, unused = [], []
    for position in range(len(cuts)):
        observation, series = cuts[position]
        try:
            averaged = periodogram(observation, series, n_bin, treatment)
        except Refusal as error:
            unused.append(error)
            continue
        flags = Flag.GAPS_FILLED if series.gaps_filled else Flag(0)
        flags |= Flag.WHOLE_FRAMES if series.whole_frames else Flag(0)
        seen = look(observation, series, averaged)
        parts.append(Part(position, Member.of(observation, flags), averaged, seen))
    if not parts:
        raise unused[0]
    strong = [part for part in parts if average.has_fraction(part.periodogram)]
    if strong and len(strong) < len(parts):
        # a few whose mean is lost in its error would be all of the average
        weak = [part for part in parts if not average.has_fraction(part.periodogram)]
        unused += [Refusal(Status.NO_DATA, f"{p.member.header.file}: {_WEAK}") for p in weak]
        parts = strong
    return Gathered(parts, unused)


def periodogram(
    observation: Observation, series: Series, n_bin: int, treatment: Treatment
) -> Periodogram:
    """Return the averaged periodogram of one observation, with its background.

    Raises
    ------
    Refusal
        Where it has no segment, or where nothing varies in any.
    """
    file = observation.header.file
    if not (series.bins >= n_bin).any():
        raise Refusal(
            Status.TOO_SHORT, f"{file}: no good time interval holds a segment of {n_bin} bins"
        )
    result = series.average(n_bin, treatment)
    if result is None or not result.mean_rate:
        raise Refusal(Status.NO_DATA, f"{file}: every rate in its segments is 0")
    if not result.power.sum() / (n_bin * series.dt) > (1e-12 * result.mean_rate) ** 2:
        trend = treatment.detrend
        left = "" if trend == "constant" else f", but for a {trend} trend (segment.detrend)"
        raise Refusal(Status.NO_DATA, f"{file}: the rate is the same in every bin{left}")
    if observation.header.background_rate > 0:
        return replace(result, background_rate=observation.header.background_rate)
    return result
