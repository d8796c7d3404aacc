"""Fitted peaks that are remains of a strictly periodic signal, and no QPOs."""

import numpy as np

from pipeline.catalog.parameters import Peaks

RESOLUTIONS = 3.0
"""Widths of a frequency bin within which a peak is at a harmonic, and is narrow."""

_MOST = 20


def are_of_a_pulse(
    peaks: Peaks, pulse_frequency: np.ndarray, segment_size: np.ndarray
) -> np.ndarray:
    """Return which peaks are narrow and at a harmonic of the pulse of their product.

    Parameters
    ----------
    peaks : Peaks
        Of the fitted models.
    pulse_frequency, segment_size : float array, shape (products,)
        Of each product, Hz and s; NaN where there is no pulse, or nothing is known.
    """
    pulse, size = pulse_frequency[peaks.product], segment_size[peaks.product]
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(size > 0, RESOLUTIONS / size, np.nan)
        number = np.clip(np.rint(peaks.frequency / pulse), 1, _MOST)
        at_harmonic = np.abs(peaks.frequency - number * pulse) <= reach
    return np.isfinite(pulse) & (peaks.fwhm <= reach) & at_harmonic
