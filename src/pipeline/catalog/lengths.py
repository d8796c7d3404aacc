"""Limits of the segments: components that longer ones would show, and slopes that a window would change."""

import numpy as np

from pipeline.catalog.groups import any_of
from pipeline.catalog.parameters import Measured, Parameters, Peaks

LONGER = 2.0
"""How many times longer than the segments a good time interval is where longer segments would show more."""

SLOPE_OF_LEAKAGE = 2.0
"""Slope of the power that leaks without a window."""

LEAKING = 0.05
"""Probability that nothing leaks below which a slope of 2 is doubtful."""


def are_leaked(taper: np.ndarray, leakage_p: np.ndarray, slope: Measured) -> np.ndarray:
    """Return which slopes may be those of power that leaked: 2 within the error, without a window.

    Where the power was compared with that under a window and does not differ, nothing leaked. Whether a power
    spectrum that comes ready-made had a window is not known.

    Parameters
    ----------
    taper : object array of str, shape (products,)
        Window of the segments; empty if unknown.
    leakage_p : float array, shape (products,)
        Probability that nothing leaked; NaN if unknown.
    slope : Measured
        Of the power laws.
    """
    lo, hi = slope.err_lo, slope.err_hi
    error = np.where(hi > lo, hi, lo)  # the lower one where the upper one is unknown
    without_window = (taper == "") | (taper == "none")
    is_two = np.abs(slope.value - SLOPE_OF_LEAKAGE) <= error
    return without_window & is_two & ~(leakage_p >= LEAKING)


def are_too_short(
    segment_size: np.ndarray, longest: np.ndarray, longest_interval: np.ndarray, hidden: np.ndarray
) -> np.ndarray:
    """Return which products would show more in longer segments, which their good time intervals hold.

    Parameters
    ----------
    segment_size : float array, shape (products,)
        Length of a segment, s.
    longest : float array, shape (products,)
        That of the longest segments of the same light curve, which are another product of the source.
    longest_interval : float array, shape (products,)
        Longest good time interval, s.
    hidden : bool array, shape (products,)
        See `are_unresolved`.
    """
    longest = np.where(longest > segment_size, longest, segment_size)
    return hidden & (longest_interval >= LONGER * longest)


def are_unresolved(parameters: Parameters, peaks: Peaks, segment_size: np.ndarray) -> np.ndarray:
    """Return in which products a component needs longer segments than there are.

    A Lorentzian is narrower than the frequency resolution, or it or a power law turns over below the lowest
    frequency.
    """
    n_products = segment_size.size
    bends = parameters.value * segment_size[parameters.product] < 1
    bends &= parameters.is_named("bend_frequency")
    size = segment_size[peaks.product]
    turns_over = np.hypot(peaks.frequency, peaks.fwhm / 2) * size < 1
    narrow = ~peaks.is_blend & ((peaks.fwhm * size < 1) | turns_over)
    return any_of(parameters.product, n_products, bends) | any_of(peaks.product, n_products, narrow)
