"""Columns and keywords of power spectra, as OGIP, XRONOS, Stingray and others write them."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.ingest.keyword import number, positive

COLUMNS = {
    "frequency": ("FREQUENCY", "FREQ", "FREQUENCIES", "F"),
    "frequency_lo": ("FREQUENCY_LO", "FREQ_LO", "FREQ_MIN", "FREQUENCY_MIN", "F_MIN", "FMIN"),
    "frequency_hi": ("FREQUENCY_HI", "FREQ_HI", "FREQ_MAX", "FREQUENCY_MAX", "F_MAX", "FMAX"),
    "half_width": ("XAX_E", "FREQUENCY_ERR", "FREQ_ERR"),
    "power": ("POWER", "PSD", "PDS", "POWERS", "POWER_DENSITY", "POWER_SPECTRUM"),
    "error": (
        *("ERROR", "POWER_ERR", "STAT_ERR", "STAT_ERROR", "POWER_ERROR", "ERR", "PSD_ERR"),
        *("PDS_ERR", "E_POWER", "PSD_ERROR", "PDS_ERROR"),
    ),
    "n": ("N", "M", "N_AVE", "NAVE", "N_AVG", "NAVG"),
    "noise": ("NOISE", "NOISE_LEVEL", "POISSON_NOISE", "POISSON_LEVEL"),
}
"""Meaning of a column of a power spectrum, and its possible names, the best first. XAX_E is XRONOS's
half-width of a bin; M is Stingray's number of periodograms times frequencies."""

_NORM_KEYS = (
    *("NORM", "NORMALIZ", "NORMALIS", "NORMALIZATION", "NORMALISATION", "NORMTYPE"),
    *("PSDNORM", "PDSNORM", "POWNORM"),
)
_NOISE_KEYS = (
    *("NOISE", "NOISELEV", "NOISELVL", "NOISE_LEVEL", "PNOISE", "POISNOIS", "POISSON", "POISLEV"),
    *("POISSON_LEVEL", "POISSON_NOISE", "WNLEVEL", "WHITENOI", "PLEVEL", "NOISEPOW"),
)
_SUBTRACTED_KEYS = ("NOISESUB", "NOISE_SUBTRACTED", "SUBNOISE", "POISSUB", "SUBTRACT", "WNSUB")
_RATE_KEYS = ("AVRGE_1", "MEANRATE", "MEAN_RATE", "AVGRATE", "CTRATE", "COUNTRATE", "RATE")
_XRONOS_NORMS = {1.0: "leahy", 2.0: "frac"}
_COUNTS = re.compile(r"\b(counts?|cts?|ph|photons?|adu|e-?)(?![a-z])", re.IGNORECASE)
_IN_PARTS = {"ppm": 1e-12, "ppt": 1e-6, "%": 1e-4, "percent": 1e-4}
_HERTZ = re.compile(r"([umkμµ]?)hz", re.IGNORECASE)
_PREFIX = {"": 1.0, "u": 1e-6, "μ": 1e-6, "µ": 1e-6, "m": 1e-3, "k": 1e3}


@dataclass(frozen=True)
class SpectrumHeader:
    """What the header of a power spectrum says.

    Attributes
    ----------
    norm : str
        ``leahy``, ``frac`` or ``abs``; empty if unknown.
    unknown : str
        A normalisation in the header that is not one of these.
    factor : float
        Factor that turns its powers into those per Hz.
    noise : float
        Noise level, in the unit of the powers; NaN if unknown.
    subtracted : bool or None
        Whether it was subtracted; None if unknown.
    rate : float
        Mean count rate of counts, 1/s; NaN if unknown.
    m : float
        Periodograms that were averaged; NaN if unknown.
    """

    norm: str = ""
    unknown: str = ""
    factor: float = 1.0
    noise: float = math.nan
    subtracted: bool | None = None
    rate: float = math.nan
    m: float = math.nan

    def level(self, norm: str) -> float:
        """Return the noise level of the header, else that of counts; NaN if neither is known."""
        if math.isfinite(self.noise):
            return self.noise
        levels = {"leahy": 2.0, "frac": 2 / self.rate if self.rate > 0 else math.nan}
        return levels.get(norm, 2 * self.rate if self.rate > 0 else math.nan)


def columns_of(columns: Collection[str]) -> dict[str, str]:
    """Return the column of each meaning in a table of powers at frequencies; empty if it is no such table."""
    found = {
        role: next(name for name in names if name in columns)
        for role, names in COLUMNS.items()
        if any(name in columns for name in names)
    }
    edges = {"frequency_lo", "frequency_hi"} <= found.keys()
    return found if "power" in found and ("frequency" in found or edges) else {}


def read(header: Mapping[str, Any], unit: str = "") -> SpectrumHeader:
    """Read the keywords of a power spectrum, and the unit of its powers.

    Parameters
    ----------
    header : mapping
        Keywords in upper case, those of the table over those of the primary header.
    unit : str, optional
        Unit of the column of powers.
    """
    text = next((header[key] for key in _NORM_KEYS if key in header), None)
    norm, subtracted = norm_of(text)
    of_unit, factor = unit_of(unit)
    rate = next((v for key in _RATE_KEYS if (v := positive(header, key)) > 0), math.nan)
    m = positive(header, "M") if {"NPHOTS", "DF"} & header.keys() else math.nan
    if "NPHOTS" in header:  # Stingray: photons a segment of N bins of DT
        duration = positive(header, "N") * positive(header, "DT")
        poisson = str(header.get("ERR_DIST", "poisson")).strip().lower() == "poisson"
        rate = positive(header, "NPHOTS") / duration if poisson and duration > 0 else math.nan
        subtracted = False
        if str(text).strip().lower() == "none" and positive(header, "NPHOTS") > 0:
            norm, factor = "leahy", 2 / positive(header, "NPHOTS")
    stated = next((header[key] for key in _SUBTRACTED_KEYS if key in header), None)
    if isinstance(stated, (bool, int)):
        subtracted = bool(stated)
    noise = [number(header, key) for key in _NOISE_KEYS]
    return SpectrumHeader(
        norm=norm or of_unit,
        unknown="" if norm or text is None else str(text),
        factor=factor,
        noise=next((v for v in noise if v is not None and v > 0), math.nan),
        subtracted=subtracted,
        rate=rate,
        m=m,
    )


def norm_of(text: object) -> tuple[str, bool | None]:
    """Return the normalisation in a keyword, empty if it is unknown, and whether noise was subtracted.

    XRONOS writes numbers: 1 is Leahy's, 2 the squared fractional rms per Hz; a negative number says that the
    expected noise level was subtracted.
    """
    if isinstance(text, (bool, type(None))):
        return "", None
    try:
        code = float(str(text))
    except ValueError:
        words = str(text).strip().lower()
        if "leahy" in words:
            return "leahy", None
        if "abs" in words:
            return "abs", None
        known = ("frac", "rms", "miyamoto", "belloni", "normalised variance")
        return ("frac" if any(word in words for word in known) else ""), None
    norm = _XRONOS_NORMS.get(abs(code), "")
    return norm, (code < 0 if norm else None)


def unit_of(unit: str) -> tuple[str, float]:
    """Return the normalisation that a unit of power implies, empty if none, and the factor to powers per Hz."""
    text = (unit or "").strip().lower()
    if "leahy" in text:
        return "leahy", 1.0
    hertz = _HERTZ.search(text)
    if not (hertz and re.search(r"/|-\s*1", text)):
        return "", 1.0
    factor = 1 / _PREFIX[hertz[1]]
    for part, square in _IN_PARTS.items():
        if part in text:
            return "frac", square * factor
    return ("abs" if _COUNTS.search(text) else "frac"), factor
