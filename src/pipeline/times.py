"""Absolute times of observations, which tables hold as a reference epoch and seconds from it."""

from math import nan

DAY = 86400.0
"""Seconds in a day."""


def mjd(reference_day: int, reference_fraction: float, seconds: float) -> float:
    """Return a time (MJD); NaN where the reference epoch is unknown.

    Parameters
    ----------
    reference_day : int
        Whole days of the reference epoch (MJD), -1 if unknown.
    reference_fraction : float
        Fraction of a day of the reference epoch.
    seconds : float
        Seconds from the reference epoch.
    """
    return nan if reference_day < 0 else reference_day + reference_fraction + seconds / DAY


def seconds_since_zero(reference_day: int, reference_fraction: float, seconds: float) -> float:
    """Return a time in seconds since MJD 0; where the reference epoch is unknown, since that."""
    return max(reference_day, 0) * DAY + reference_fraction * DAY + seconds
