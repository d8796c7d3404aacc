"""How the numbers of a time column become seconds from a reference epoch, leap seconds included."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from astropy.time import Time

from pipeline.times import DAY

FURTHEST = 1e12
"""Most seconds between a time and its reference epoch, 32,000 years. Damaged times are mostly further; Julian
dates without an epoch are not."""

_LAST_DAY = 100_000


@dataclass(frozen=True)
class Clock:
    """How the numbers of a time column become seconds from a reference epoch.

    Attributes
    ----------
    day : int
        Whole days of the reference epoch, MJD; -1 if unknown.
    fraction : float
        Fraction of a day of the reference epoch, 0 <= fraction < 1.
    zero : float
        Seconds to add to every time (TIMEZERO).
    unit : float
        Seconds in a unit of the column.
    system : str
        Time scale: TT, TDB, UTC, …; empty if unknown.
    barycentred : bool
        Whether times are those at the solar-system barycentre.
    leaping : bool
        Whether the column counts days of UTC. Some of them are a second longer.
    """

    day: int = -1
    fraction: float = 0.0
    zero: float = 0.0
    unit: float = 1.0
    system: str = ""
    barycentred: bool = False
    leaping: bool = False

    def seconds(self, times: np.ndarray) -> np.ndarray:
        """Turn the numbers of a column into seconds from the reference epoch.

        Those further than `FURTHEST` from it are no times: NaN.
        """
        seconds = np.asarray(times, dtype=float)
        if self.unit != 1 or self.zero:
            seconds = seconds * self.unit + self.zero
        if seconds.size and not (seconds.min() >= -FURTHEST and seconds.max() <= FURTHEST):
            seconds = np.where(np.abs(seconds) <= FURTHEST, seconds, np.nan)
        return self.uniform(seconds) if self.leaping else seconds

    def uniform(self, seconds: np.ndarray) -> np.ndarray:
        """Add to seconds of UTC days the seconds that TT is ahead of UTC, leap seconds included."""
        result = np.array(seconds, dtype=float)
        finite = np.isfinite(result)
        if self.day >= 0 and finite.any():
            days = np.floor(self.day + self.fraction + result[finite] / DAY)
            each, place = np.unique(days, return_inverse=True)
            result[finite] += ahead_of(each, "utc")[place]
        return result

    def since(self, other: "Clock") -> float:
        """Return the seconds by which this reference epoch is later than another; 0 if unknown."""
        if self.day < 0 or other.day < 0:
            return 0.0
        return (self.day - other.day) * DAY + (self.fraction - other.fraction) * DAY

    def mjd(self, seconds: float) -> float:
        """Return the MJD of a time in seconds from the reference epoch, NaN if that is unknown."""
        if self.day < 0:
            return math.nan
        return self.day + self.fraction + seconds / DAY


def ahead_of(days: np.ndarray, scale: str) -> np.ndarray:
    """Return the seconds that TT is ahead of UTC or TAI on days, MJD."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # before 1960 and long from now there is no UTC
        start = Time(np.clip(days, 0, _LAST_DAY).astype(float), format="mjd", scale=scale)
        terrestrial = start.tt
    days_apart = (terrestrial.jd1 - start.jd1) + (terrestrial.jd2 - start.jd2)
    return np.round(days_apart * DAY, 3)
