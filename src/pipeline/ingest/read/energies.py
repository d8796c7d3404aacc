"""The energies of events: from a column of energies, or from channels by a scale or a response."""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.ingest.hdu import Hdu
from pipeline.ingest.missions import band, calibration, rxte
from pipeline.ingest.missions.calibration import ToEnergy
from pipeline.ingest.missions.registry import ENERGY_COLUMNS
from pipeline.ingest.read.opened import Opened
from pipeline.ingest.read.responses import bounds_in, bounds_of
from pipeline.ingest.read.times import Times
from pipeline.ingest.reject import Rejected
from pipeline.status import Status


@dataclass(frozen=True)
class Energies:
    """The rows of an event list.

    Attributes
    ----------
    cells : ndarray, shape (n,), or None
        What the energy of each row follows from, as its channel; None if energies are not known.
    convert : callable
        Returns energies, keV, of cells.
    photon : ndarray of bool, shape (n,), or None
        Which rows are photons; None: all.
    """

    cells: np.ndarray | None = None
    convert: ToEnergy = np.asarray
    photon: np.ndarray | None = None

    def known(self, n: int) -> bool:
        """Return whether the energy of each of `n` rows is known."""
        return self.cells is not None and len(self.cells) == n

    def kev(self) -> np.ndarray:
        """Return the energy of each row, keV, shape (n,)."""
        assert self.cells is not None
        return self.convert(self.cells)


def energies_of(opened: Opened, times: Times) -> Energies:
    """Return what the energies of an event list follow from.

    Parameters
    ----------
    opened : Opened
        The file.
    times : Times
        Those of its table.

    Raises
    ------
    Rejected
        Where its response cannot be read and there is no other scale.
    """
    hdu = opened.hdu
    if hdu.name.strip().upper() == rxte.EVENTS:
        return _of_rxte(hdu, opened.who.instrument, times)
    for name in ENERGY_COLUMNS:
        if name in hdu.columns and (unit := band.kev(hdu.unit(name))):
            cells = hdu.read(name).ravel()
            if np.isfinite(cells).any():
                return Energies(cells, lambda cells: cells * unit)
    channel = next((c for c in ("PI", "PHA", "CHANNEL") if c in hdu.columns), None)
    if channel is None:
        return Energies()
    convert = _scale(opened, channel)
    return Energies(hdu.read(channel).ravel(), convert) if convert else Energies()


def _scale(opened: Opened, channel: str) -> ToEnergy | None:
    """Return the function from a column of channels to energies, None if there is none.

    That is the response in the archive; or the mission's scale of PI, if the response cannot be read or is
    of other channels; or EBOUNDS in the file itself.
    """
    scale = None
    if channel == "PI":
        scale = calibration.of_pi(opened.who.mission, opened.who.instrument)
    try:
        bounds = _bounds_in_archive(opened)
    except Rejected:
        if not scale:
            raise
        bounds = None
    if bounds and scale and not calibration.same_channels(scale, bounds):
        bounds = None
    if not (bounds or scale):
        bounds = bounds_in(opened.hdus)
    return calibration.of_bounds(bounds) if bounds else scale


def _bounds_in_archive(opened: Opened) -> calibration.Bounds | None:
    """Return the channels in the response of an event list, None without a response that has them."""
    try:
        return bounds_of(opened)
    except Rejected as rejected:
        if rejected.status == Status.MISSING_RESPONSE:
            return None
        raise


def _of_rxte(hdu: Hdu, instrument: str, times: Times) -> Energies:
    """Return the energies of RXTE science events, and which rows are photons."""
    ddl = str(hdu.header.get("TEVTB2", ""))
    groups = rxte.group_channels(rxte.channel_groups(ddl))
    photon: np.ndarray | None = None
    detector = hdu.read("PCUID").ravel() if "PCUID" in hdu.columns else np.ones((), int)
    if "PHA" in hdu.columns:
        group = np.nan_to_num(hdu.read("PHA").ravel(), nan=-1).astype(int)
    elif "EVENT" in hdu.columns and len(groups) and (bits := hdu.read("EVENT")).ndim == 2:
        fields = rxte.event_fields(bits, ddl)
        photon, group, detector = fields.photon, fields.group, fields.detector
    else:
        return Energies()
    finite = times.seconds[np.isfinite(times.seconds)]
    mjd = times.clock.mjd(float(np.median(finite))) if len(finite) else math.nan
    if not instrument.startswith("pca") or not len(groups) or not rxte.is_flown(mjd):
        return Energies(photon=photon)

    def energy(group: np.ndarray) -> np.ndarray:
        channel = groups[np.clip(group, 0, len(groups) - 1)]
        return np.where(group < 0, np.nan, rxte.energies(channel, detector, mjd))

    return Energies(group, energy, photon)
