"""Channels to energies, where a mission's scale is fixed."""

from collections.abc import Callable

import numpy as np

from pipeline.ingest import missions


def of_pi(mission: str, instrument: str = "") -> Callable | None:
    """Return a function from PI channels to keV, None if the mission's are not known.

    Parameters
    ----------
    mission, instrument : str
        TELESCOP and INSTRUME in lower case.
    """
    known = missions.find(mission, instrument)
    if known is None or known.pi is None:
        return None
    zero, width = known.pi
    return lambda channel: zero + width * channel


def of_ebounds(channel: np.ndarray, e_min: np.ndarray, e_max: np.ndarray) -> Callable:
    """Return a function from channels to the middle of their bounds, NaN for a channel without."""
    order = np.argsort(channel)
    known, middle = channel[order], ((e_min + e_max) / 2)[order]

    def energy(events):
        place = np.minimum(np.searchsorted(known, events), len(known) - 1)
        return np.where(known[place] == events, middle[place], np.nan)

    return energy
