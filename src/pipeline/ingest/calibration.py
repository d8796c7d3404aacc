"""Channels to energies, where a mission's scale is fixed."""

from collections.abc import Callable

import numpy as np

PI_SCALES = {
    "nicer": (0.0, 0.01),
    "nustar": (1.62, 0.04),
    "xmm": (0.0, 0.001),
    "ixpe": (0.0, 0.04),
    "axaf": (-0.0146, 0.0146),
    "chandra": (-0.0146, 0.0146),
    "swift": (0.0, 0.01),
}
"""Mission to the energy of PI channel 0 and the width of a channel, keV: linear by construction of
PI. The same as `stingray.mission_support`, which takes seconds to import in every worker; a test
holds the two in step."""


def of_pi(mission: str) -> Callable | None:
    """Return a function from PI channels to keV, None if the mission's are not known.

    Parameters
    ----------
    mission : str
        TELESCOP in lower case.
    """
    if mission not in PI_SCALES:
        return None
    zero, width = PI_SCALES[mission]
    return lambda channel: zero + width * channel


def of_ebounds(channel: np.ndarray, e_min: np.ndarray, e_max: np.ndarray) -> Callable:
    """Return a function from channels to the middle of their bounds, NaN for a channel without."""
    order = np.argsort(channel)
    known, middle = channel[order], ((e_min + e_max) / 2)[order]

    def energy(events):
        place = np.minimum(np.searchsorted(known, events), len(known) - 1)
        return np.where(known[place] == events, middle[place], np.nan)

    return energy
