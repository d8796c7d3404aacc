"""Lines that stand alone, as an instrument's in the spectrum of a star: a line is no maximum of an envelope."""

import numpy as np
from jaxtyping import Bool, Float, Real
from scipy.special import fdtrc

BESIDE = (0.04, 0.12)
"""Least and largest distance in ln f of the bins that a bin is compared with, on both sides. An envelope of Q 10 is
as high there as next to its maximum, and modes of neighbouring orders lie there."""
STANDS_OUT = 2.0
"""Least ratio of the power of a line to the highest power there."""
ALPHA = 1e-3
"""Expected number of bins of a spectrum that are taken for lines by chance."""
LEAST_APART = 2
"""Bins between a line and the bins that it is compared with, to leave out its wings."""


def alone(
    frequency: Float[np.ndarray, " bins"],
    power: Float[np.ndarray, " bins"],
    n: Real[np.ndarray, " bins"],
) -> Bool[np.ndarray, " bins"]:
    """Return which bins of a power spectrum stand out of both of their sides.

    A bin is a line where its power is twice the highest at 4 to 12 % from its frequency, on each side, and more
    above their mean than chance allows (an F test, with 2 n degrees of freedom a bin). The modes of a star stand
    in a comb, and have their like at that distance; a bin at an end of the spectrum, with nothing on one side, is
    no line.

    Parameters
    ----------
    frequency : ndarray, shape (bins,)
        Positive frequencies in order, Hz.
    power, n : ndarray, shape (bins,)
        Powers, and raw ordinates averaged in each.

    Returns
    -------
    ndarray of bool, shape (bins,)
    """
    found = np.zeros(frequency.size, bool)
    place = np.log(frequency)
    near, far = (
        (np.searchsorted(place, place - d), np.searchsorted(place, place + d, "right"))
        for d in BESIDE
    )
    for k in range(frequency.size):
        below = min(near[0][k], k - LEAST_APART + 1)
        above = max(near[1][k], k + LEAST_APART)
        low = slice(max(min(far[0][k], below - LEAST_APART), 0), max(below, 0))
        high = slice(above, max(far[1][k], above + LEAST_APART))
        sides = np.r_[power[low], power[high]], np.r_[n[low], n[high]]
        if not (power[low].size and power[high].size) or power[k] < STANDS_OUT * sides[0].max():
            continue
        mean = sides[0] @ sides[1] / sides[1].sum()
        chance = fdtrc(2 * n[k], 2 * sides[1].sum(), power[k] / mean) if mean > 0 else 1.0
        found[k] = chance < ALPHA / frequency.size
    return found
