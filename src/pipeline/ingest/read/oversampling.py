"""Whether raw powers are oversampled as often as is said: neighbours of an oversampled one are alike."""

import numpy as np

from pipeline.status import Flag

_LEAST_POWERS = 200
_WINDOW = 51
_HIGHEST = 6.0
"""Times their local mean above which powers are cut, so that a line does not decide."""

_TOLERANCE = 0.1
_AT_NYQUIST = 0.25
"""Correlation of neighbours, of powers that are said to be independent, above which they are not."""


def check(power: np.ndarray, said: float) -> Flag:
    """Compare the correlation of raw powers with that of an oversampled periodogram.

    Ordinates that lie 1 / o of an independent frequency apart correlate by sinc(1 / o)^2 (of evenly
    sampled noise: Horne & Baliunas 1986 count the independent ones).

    Parameters
    ----------
    power : ndarray, shape (n,)
        Raw powers at evenly spaced frequencies.
    said : float
        Ordinates in each independent frequency, as the configuration says.

    Returns
    -------
    Flag
        OVERSAMPLED where they disagree.
    """
    if len(power) < _LEAST_POWERS:
        return Flag(0)
    lag = max(1, round(said / 2))
    if len(power) < 20 * lag:
        return Flag(0)
    found = correlation(power, lag, max(_WINDOW, 10 * round(said) + 1))
    if not np.isfinite(found):
        return Flag(0)
    if said < 1.5:
        return Flag.OVERSAMPLED if found > _AT_NYQUIST else Flag(0)
    expected = np.sinc(lag / said) ** 2
    allowed = max(_TOLERANCE, 4 * np.sqrt(said / len(power)))
    return Flag.OVERSAMPLED if abs(found - expected) > allowed else Flag(0)


def correlation(power: np.ndarray, lag: int, window: int = _WINDOW) -> float:
    """Return the correlation of powers, over their local mean, that lie `lag` apart; NaN if there is none."""
    kernel = np.ones(window) / window
    with np.errstate(all="ignore"):
        local = np.convolve(power, kernel, "valid")
        middle = power[window // 2 : window // 2 + len(local)]
        flat = np.minimum(middle / local, _HIGHEST)
        flat = flat[np.isfinite(flat)]
        flat = flat - flat.mean()
        return float((flat[:-lag] * flat[lag:]).mean() / (flat * flat).mean())
