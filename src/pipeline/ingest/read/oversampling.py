"""Whether raw powers are oversampled as the configuration says: oversampled neighbours are alike."""

import numpy as np

from pipeline.status import Flag

_LEAST_POWERS = 200
_WINDOW = 51
_HIGHEST = 6.0
"""Powers are cut at this multiple of their local mean, so that a line does not decide."""

_TOLERANCE = 0.1
_AT_NYQUIST = 0.25
"""Powers whose neighbours correlate by more than this are not independent."""


def check(power: np.ndarray, stated: float) -> Flag:
    """Compare the correlation of raw powers with that of an oversampled periodogram.

    Ordinates of evenly sampled noise that lie 1 / o of an independent frequency apart correlate by
    sinc(1 / o)^2 (Horne & Baliunas 1986 count the independent frequencies).

    Parameters
    ----------
    power : ndarray, shape (n,)
        Raw powers at evenly spaced frequencies.
    stated : float
        Number of ordinates in each independent frequency, by the configuration.

    Returns
    -------
    Flag
        OVERSAMPLED where they disagree.
    """
    if len(power) < _LEAST_POWERS:
        return Flag(0)
    lag = max(1, round(stated / 2))
    if len(power) < 20 * lag:
        return Flag(0)
    found = correlation(power, lag, max(_WINDOW, 10 * round(stated) + 1))
    if not np.isfinite(found):
        return Flag(0)
    if stated < 1.5:
        return Flag.OVERSAMPLED if found > _AT_NYQUIST else Flag(0)
    expected = np.sinc(lag / stated) ** 2
    allowed = max(_TOLERANCE, 4 * np.sqrt(stated / len(power)))
    return Flag.OVERSAMPLED if abs(found - expected) > allowed else Flag(0)


def correlation(power: np.ndarray, lag: int, window: int = _WINDOW) -> float:
    """Return the correlation of powers, relative to their local mean, that lie `lag` apart; NaN if there is none."""
    kernel = np.ones(window) / window
    with np.errstate(all="ignore"):
        local = np.convolve(power, kernel, "valid")
        middle = power[window // 2 : window // 2 + len(local)]
        flat = np.minimum(middle / local, _HIGHEST)
        flat = flat[np.isfinite(flat)]
        flat = flat - flat.mean()
        return float((flat[:-lag] * flat[lag:]).mean() / (flat * flat).mean())
