"""From channels to energies: by the scale of a mission, or by a response."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.ingest.missions import registry

ToEnergy = Callable[[Any], Any]
"""A function from channels, one or an array, to energies, keV."""


@dataclass(frozen=True)
class Bounds:
    """Channels and their edges: the table EBOUNDS of a response.

    Attributes
    ----------
    channel, lower, upper : ndarray, shape (n,)
        Numbers of the channels, and their edges in keV; in Hz in the response of a power spectrum.
    """

    channel: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def of_pi(mission: str, instrument: str = "") -> ToEnergy | None:
    """Return a function from PI channels to keV, None if the mission's are not known.

    Parameters
    ----------
    mission, instrument : str
        TELESCOP and INSTRUME in lower case.
    """
    known = registry.mission_of(mission, instrument)
    if known is None or known.pi is None:
        return None
    zero, width = known.pi
    return lambda channel: zero + width * channel


def same_channels(scale: ToEnergy, bounds: Bounds) -> bool:
    """Return whether the channels of a response are those of PI, and not wider ones.

    A channel of XMM-Newton's responses is 5 to 15 channels of its PI; a spectrum may be grouped, too.

    Parameters
    ----------
    scale : callable
        The scale of the mission, from PI to keV; see `of_pi`.
    bounds : Bounds
        Of the response.

    Returns
    -------
    bool
        Whether the median channel is as wide as that of the scale, within a fifth.
    """
    width = float(np.median(np.abs(bounds.upper - bounds.lower)))
    return abs(width / abs(scale(1) - scale(0)) - 1) < 0.2


def of_bounds(bounds: Bounds) -> ToEnergy:
    """Return a function from channels to the middle of their bounds, NaN for a channel without bounds."""
    order = np.argsort(bounds.channel)
    known, middle = bounds.channel[order], ((bounds.lower + bounds.upper) / 2)[order]

    def energy(events: np.ndarray) -> np.ndarray:
        place = np.minimum(np.searchsorted(known, events), len(known) - 1)
        return np.where(known[place] == events, middle[place], np.nan)

    return energy
