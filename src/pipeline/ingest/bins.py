"""The columns of a light curve: which series a table holds, in which dialect, and their bands."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.ingest import band, lightcurve, missions, rxte
from pipeline.ingest.band import Band
from pipeline.ingest.recognise import Hdu, rate_columns
from pipeline.ingest.reject import Rejected
from pipeline.status import Status

_EMPTY = np.empty(0)
_EVEN = 0.05


@dataclass(frozen=True)
class Series:
    """One light curve of a table.

    Attributes
    ----------
    band : Band
        Its energies, and what it is called where there are several.
    rate : ndarray, shape (n,)
        Rates or fluxes.
    rate_err, fracexp : ndarray, shape (n,) or (0,)
        Errors and exposed fractions; empty if unknown.
    bad : ndarray of bool, shape (n,)
        Bins of bad quality.
    background_rate : float
        Mean rate of the background, ct/s; NaN if unknown.
    counting : bool or None
        Whether rate times bin width are Poisson counts; None: to be told from the errors.
    """

    band: Band
    rate: np.ndarray
    rate_err: np.ndarray
    fracexp: np.ndarray
    bad: np.ndarray
    background_rate: float = math.nan
    counting: bool | None = None


def of_table(
    hdu: Hdu, n: int, dt: float, known: missions.Mission | None, bands: Sequence[Band]
) -> list[Series]:
    """Read the series of a table.

    Parameters
    ----------
    hdu : Hdu
        The table.
    n : int
        Number of times.
    dt : float
        Width of a bin, s.
    known : Mission or None
        Whose it is.
    bands : sequence of Band
        Those that the file says; see `band.of_light_curve`. Where it says fewer than there are
        series, the others are numbered.

    Raises
    ------
    Rejected
        NO_DATA without a column of rates, counts or fluxes.
    """
    names = rate_columns(hdu.columns)
    if not names:
        raise Rejected(Status.NO_DATA, "no column with a rate, counts or a flux")
    table = _Columns(hdu, n)
    if names == ["RATE"] and {"COUNTS", "BACK_COUNTS", "BACKRATIO"} <= set(hdu.columns):
        names = ["COUNTS"]  # eROSITA: the background is taken off RATE, whatever BACKAPP says
    if names == ["PDCSAP_FLUX"] and not np.isfinite(table.bands("PDCSAP_FLUX")).any():
        names = [name for name in ("SAP_FLUX", "PDCSAP_FLUX") if name in hdu.columns][:1]
    made = [_series(table, name, i, dt, known) for name in names for i in table.each(name)]
    named = _named(bands, len(made))
    return [replace(series, band=its) for series, its in zip(made, named, strict=True)]


class _Columns:
    """The columns of a table, of which a cell may hold several bands."""

    def __init__(self, hdu, n):
        self.hdu, self.n, self.names, self.known = hdu, n, set(hdu.columns), {}

    def bands(self, name) -> np.ndarray:
        """Return a column, a row a band; it is read once."""
        if name not in self.known:
            values = lightcurve.as_bands(self.hdu.read(name), self.n)
            self.known[name] = values.astype(float, copy=False)
        return self.known[name]

    def each(self, name) -> range:
        return range(len(self.bands(name)))

    def first_of(self, candidates, number=0) -> np.ndarray:
        """Return the first column that there is: its band of that number, or the only one."""
        for name in candidates:
            if name in self.names:
                bands = self.bands(name)
                return bands[number] if number < len(bands) else bands[0]
        return _EMPTY


def _series(table, name, number, dt, known) -> Series:
    """Return a band of a column of rates, counts or fluxes with what belongs to it."""
    dialect = missions.dialect(name)
    suffix = name.removeprefix("RATE") if name.startswith("RATE") else ""
    rate = table.bands(name)[number]
    error = table.first_of(
        (
            *((dialect.error,) if dialect.error else ()),
            *(f"{name}_ERR", f"{name}_ERROR", f"ERROR{suffix}"),
            *("KSPSAP_FLUX_ERR", "DET_FLUX_ERR", "ERR_RATE", "STAT_ERR", "ERROR"),
        ),
        number,
    )
    if len(error) and dialect.raw in table.names and dialect.error in table.names:
        raw = table.first_of((dialect.raw,), number)
        error = np.abs(np.divide(rate, raw, out=np.full(table.n, np.nan), where=raw != 0)) * error
    counts = name == "COUNTS"
    fracexp = table.first_of(("FRACEXP",), number)
    if counts and not len(fracexp):
        fracexp = table.first_of(("EXPOSURE",), number) / dt
    scale, even = _scale(fracexp, dt) if counts else (1.0, True)
    if not even and not len(error):
        error = np.sqrt(rate)
    return Series(
        band=Band(),
        rate=rate * scale,
        rate_err=error * scale if len(error) else error,
        fracexp=fracexp,
        bad=_bad(table, dialect, known),
        background_rate=_background(table, number, counts, scale),
        counting=None if "RATE" in name else counts and even,
    )


def _scale(fracexp, dt) -> tuple[np.ndarray | float, bool]:
    """Return what turns counts into a rate, and whether bins are exposed alike, but for a few."""
    exposed = fracexp[fracexp > 0]
    odd = np.abs(exposed - np.median(exposed)) > _EVEN * np.median(exposed) if len(exposed) else 0
    if np.mean(odd) < _EVEN:
        return 1 / dt, True
    return np.where(fracexp > 0, 1 / (dt * np.where(fracexp > 0, fracexp, 1)), np.nan), False


def _bad(table, dialect, known) -> np.ndarray:
    """Return which bins are of bad quality."""
    candidates = (dialect.quality,) if dialect.quality else ("SAP_QUALITY", "QUALITY")
    name = next((c for c in candidates if c in table.names), None)
    bits = known.quality_bits if known else 0
    if name is None or not (bits or dialect.any_bit):
        return np.zeros(table.n, dtype=bool)
    values = table.hdu.read_any(name)
    if values.dtype.kind not in "biuf":  # CDIPS: G is good
        letters = lightcurve.as_bands(np.char.strip(values.astype(str)), table.n)[0]
        return ~np.isin(letters, ("G", "0", ""))
    quality = np.nan_to_num(lightcurve.as_bands(values, table.n)[0]).astype(np.int64)
    return quality != 0 if dialect.any_bit else (quality & bits) > 0


def _background(table, number, counts, scale) -> float:
    """Return the mean background rate, NaN if unknown."""
    if not counts:
        rate = table.first_of(("BACKV",), number)
    elif {"BACK_COUNTS", "BACKRATIO"} <= table.names:
        ratio = table.first_of(("BACKRATIO",))
        rate = table.first_of(("BACK_COUNTS",), number) * ratio * scale
    else:
        rate = table.first_of(("NORM_BG_COUNTS",), number) * scale
    return float(np.nanmean(rate)) if np.isfinite(rate).any() else math.nan


def _named(bands, n) -> list[Band]:
    """Return a band for each of `n` series, called by its number where the file does not name it."""
    if n == 1:
        return [bands[0] if bands else Band()]
    known = list(bands[:n]) if len(bands) >= n else [Band()] * n
    if len({one.label for one in known}) == n:
        return known
    return [replace(one, label=f"band{i}") for i, one in enumerate(known, 1)]


def of_array(
    hdu: Hdu, header: Mapping, mjd: float, wanted: Sequence[Band]
) -> tuple[float, int, list[Series]]:
    """Read the counts of an RXTE science array.

    Parameters
    ----------
    hdu : Hdu
        Table XTE_SA.
    header : mapping
        Its time keywords.
    mjd : float
        When it was, for the gain.
    wanted : sequence of Band
        Energy bands to add channels in; empty: all channels.

    Returns
    -------
    dt : float
        Width of a bin, s.
    bins : int
        Bins a row.
    list of Series
        One a band.

    Raises
    ------
    Rejected
        NO_DATA where no column has a time resolution, or no channel is in any of the bands.
    """
    total, step = {}, None
    for name in rxte.count_columns(hdu.columns):
        place = hdu.columns.index(name) + 1
        cells = hdu.read(name)
        if not cells.size:
            raise Rejected(Status.NO_DATA, f"column {name} has no values: nothing was recorded")
        size = cells.size // len(cells)
        this = rxte.time_step({**hdu.header, **header}, place, size)
        if step is not None and this != step:
            continue  # calibration spectra beside the light curves
        step = this
        groups = _groups(hdu.header, place, size // this[1])
        for one in wanted or (Band(),):
            chosen = _channels(groups, one, mjd, 0 if name.endswith("PCU0") else 1)
            added = rxte.sum_channels(cells, this[1], chosen)
            if chosen is not None and not chosen.any():
                added[:] = np.nan
            total[one] = total.get(one, 0.0) + added
    if step is None or not step[0] > 0:
        raise Rejected(
            Status.NO_DATA, "no column of counts with a time resolution (TIMEDEL, 1CDLTn)"
        )
    if wanted and all(np.isnan(counts).all() for counts in total.values()):
        limits = ", ".join(f"{one.lo:g}-{one.hi:g}" for one in wanted)
        raise Rejected(Status.NO_DATA, f"no channel lies in the band {limits} keV")
    good = np.zeros(len(next(iter(total.values()))), dtype=bool)
    series = [
        Series(one, counts / step[0], _EMPTY, _EMPTY, good, counting=True)
        for one, counts in total.items()
    ]
    return *step, series


def _groups(header, place, channels) -> list[tuple[int, int]]:
    """Return the absolute channels in each value of a column."""
    for key in (f"TDDES{place}", f"TTDES{place}"):
        groups = rxte.channel_groups(str(header.get(key, "")))
        if len(groups) == channels:
            return groups
    standard = rxte.standard_2_groups()
    return standard if channels == len(standard) else []


def _channels(groups, wanted, mjd, detector) -> np.ndarray | None:
    """Return which values are in a band, None for all of them."""
    if math.isnan(wanted.lo):
        return None
    if not groups or not rxte.is_flown(mjd):
        raise Rejected(
            Status.NO_DATA,
            f"which channels are in {wanted.lo:g}-{wanted.hi:g} keV is not said (TDDESn, MJDREF): leave "
            "ingest.band and ingest.bands out",
        )
    energy = rxte.energies(rxte.group_channels(groups), detector, mjd)
    return (energy >= wanted.lo) & (energy < wanted.hi)


def bands_of(
    hdus: Sequence[Hdu], header: Mapping, mission: str, instrument: str, stem: str
) -> list[Band]:
    """Return the bands of the series of a table, as many as the file says.

    Parameters
    ----------
    hdus : sequence of Hdu
        All of the file: GOES/XRS has the wavelengths of its channels in a table EDGES.
    header : mapping
        Keywords of the table.
    mission, instrument, stem : str
        See `band.of_light_curve`.
    """
    for hdu in hdus:
        if tuple(hdu.columns) == ("EDGES",) and hdu.unit("EDGES").lower().startswith("angstrom"):
            return [band.of_wavelengths(*pair) for pair in hdu.read("EDGES").reshape(-1, 2)]
    return band.of_light_curve(header, mission, stem, instrument)
