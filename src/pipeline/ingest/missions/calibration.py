"""Channels to energies: by the scale of a mission, or by a response."""

from collections.abc import Callable

import numpy as np

from pipeline.ingest.missions import registry


def of_pi(mission: str, instrument: str = "") -> Callable | None:
    """Return a function from PI channels to keV, None if the mission's are not known.

    Parameters
    ----------
    mission, instrument : str
        TELESCOP and INSTRUME in lower case.
    """
    known = registry.find(mission, instrument)
    if known is None or known.pi is None:
        return None
    zero, width = known.pi
    return lambda channel: zero + width * channel


def same_channels(scale: Callable, channel: np.ndarray, e_min, e_max) -> bool:
    """Return whether the channels of a response are those of PI, and not wider ones.

    Those of XMM-Newton's responses are 5 to 15 of its PI; a spectrum may be grouped, too.

    Parameters
    ----------
    scale : callable
        The mission's, from PI to keV; see `of_pi`.
    channel, e_min, e_max : ndarray, shape (n,)
        Table EBOUNDS of the response, keV.

    Returns
    -------
    bool
        Whether the median channel is as wide as that of the scale, within a fifth.
    """
    width = float(np.median(np.abs(e_max - e_min)))
    return abs(width / abs(scale(1) - scale(0)) - 1) < 0.2


def of_ebounds(channel: np.ndarray, e_min: np.ndarray, e_max: np.ndarray) -> Callable:
    """Return a function from channels to the middle of their bounds, NaN for a channel without."""
    order = np.argsort(channel)
    known, middle = channel[order], ((e_min + e_max) / 2)[order]

    def energy(events):
        place = np.minimum(np.searchsorted(known, events), len(known) - 1)
        return np.where(known[place] == events, middle[place], np.nan)

    return energy
