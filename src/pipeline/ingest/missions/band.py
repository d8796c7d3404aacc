"""Energy bands from keywords and from the configuration, and their labels in the names of products."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.ingest.keyword import number
from pipeline.ingest.missions import calibration
from pipeline.ingest.missions.calibration import ToEnergy

_IN_NAME = re.compile(r"(?<![0-9.])([0-9]+\.[0-9]+)-([0-9]+(?:\.[0-9]+)?)(?![0-9.])")
_KEV_ANGSTROM = 12.398419843320026  # h c
_UNITS = {"": 1.0, "kev": 1.0, "ev": 1e-3, "mev": 1e3, "gev": 1e6, "tev": 1e9}
_FULL = frozenset({(0.0, 0.0), (0.0, 255.0)})


@dataclass(frozen=True)
class Band:
    """An energy band.

    Attributes
    ----------
    lo, hi : float
        Its limits, keV; NaN if unknown.
    label : str
        Its part of the name of a product; empty if there is only one band.
    """

    lo: float = math.nan
    hi: float = math.nan
    label: str = ""


def kev(unit: str) -> float | None:
    """Return the keV in a unit of energy: 1 if the unit is empty, None if it is no unit of energy."""
    return _UNITS.get(unit.strip().lower())


def of_events(
    band: tuple[float, float] | None, bands: Mapping[str, tuple[float, float]]
) -> list[Band]:
    """Return the bands to select events in: the named bands, or the one band, or all energies.

    Parameters
    ----------
    band, bands
        Options `ingest.band` and `ingest.bands`, keV.
    """
    if bands:
        return [Band(*limits, name) for name, limits in bands.items()]
    return [Band() if band is None else Band(*band, _label(*band))]


def of_wavelengths(lo: float, hi: float) -> Band:
    """Return the band between two wavelengths, angstrom."""
    ends = _KEV_ANGSTROM / hi, _KEV_ANGSTROM / lo
    return Band(*ends, _label(*ends))


def of_light_curve(
    header: Mapping[str, Any], mission: str, stem: str, instrument: str = ""
) -> list[Band]:
    """Read the band of a light curve, or the bands of several in one table.

    Parameters
    ----------
    header : mapping
        Keywords: E_MIN and E_MAX (E_MIN1, E_MAX1 and so on for several bands), CHANMIN and
        CHANMAX or PHALCUT and PHAHCUT (channels of PI), MINCHAN and MAXCHAN (raw channels).
    mission, instrument : str
        In lower case; they give the energies of PI channels.
    stem : str
        The file's name. It gives the label (not the limits) where the header leaves out a limit: 0.3-2.0
        and 0.3-10.0 get different labels even if both files say only CHANMIN = 300.
    """
    suffixes: tuple[Iterable[str], ...] = ([""], map(str, range(1, 100)))
    for some in suffixes:
        numbered = []
        for suffix in some:
            if (found := _limits(header, suffix)) is None:
                break
            numbered.append(found)
        if numbered:
            return numbered
    return [_of_channels(header, calibration.of_pi(mission, instrument), stem)]


def _limits(header: Mapping[str, Any], suffix: str) -> Band | None:
    """Return the band in E_MIN and E_MAX with a suffix, None if they are not the limits of a band."""
    lo, hi = (number(header, f"{key}{suffix}") for key in ("E_MIN", "E_MAX"))
    if lo is None or hi is None or not 0 <= lo < hi:
        return None
    return Band(lo, hi, _label(lo, hi))


def _of_channels(header: Mapping[str, Any], convert: ToEnergy | None, stem: str) -> Band:
    """Return the band between channels, or that in the name of the file."""
    for keys in (("CHANMIN", "CHANMAX"), ("PHALCUT", "PHAHCUT")):
        lo, hi = (_channel_energy(header, key, convert) for key in keys)
        if math.isfinite(lo) and math.isfinite(hi):
            return Band(lo, hi, _label(lo, hi))
        if math.isfinite(lo) or math.isfinite(hi):
            return Band(lo, hi, _from_name(stem, lo, hi) or _label(lo, hi))
    first, last = number(header, "MINCHAN"), number(header, "MAXCHAN")
    if first is not None and last is not None and (first, last) not in _FULL:
        return Band(label=f"ch{first:g}-{last:g}")
    return Band(label=_from_name(stem, math.nan, math.nan))


def _channel_energy(header: Mapping[str, Any], key: str, convert: ToEnergy | None) -> float:
    channel = number(header, key)
    return math.nan if channel is None or convert is None else float(convert(channel))


def _from_name(stem: str, lo: float, hi: float) -> str:
    """Return the label of a band in a file's name, empty if it contradicts the known limits."""
    for low, high in _IN_NAME.findall(stem):
        ends = float(low), float(high)
        agree = (
            math.isclose(a, b, rel_tol=0.01)
            for a, b in zip(ends, (lo, hi), strict=True)
            if math.isfinite(b)
        )
        if ends[0] < ends[1] and all(agree):
            return _label(*ends)
    return ""


def _label(lo: float, hi: float) -> str:
    low, high = ("" if math.isnan(e) else f"{e:.1f}" if e >= 0.1 else f"{e:g}" for e in (lo, hi))
    return f"{low}-{high}keV"
