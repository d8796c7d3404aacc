"""The columns of a light curve: which series a table holds, in which dialect, and their bands."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.ingest.files import undefined
from pipeline.ingest.files.recognise import Hdu, rate_columns
from pipeline.ingest.missions import band, registry, rxte
from pipeline.ingest.missions.band import Band
from pipeline.ingest.read import counts, errors, exposure, lightcurve, quality
from pipeline.ingest.reject import Rejected
from pipeline.status import Flag, Status

_EMPTY = np.empty(0)
_EVEN = 0.05
_LEAST_EXPOSED = 0.5
_NO_FLAG = Flag(0)
_COUNTS_A_SECOND = re.compile(
    r"\s*(counts?|cts?|photons?|ph)\s*(/|\*{0,2}\s*|\.)\s*s", re.IGNORECASE
)


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
    left_out : tuple of str
        Why bins are bad, or have no value, and how many.
    flags : Flag
        QUALITY_UNKNOWN, STAND_INS.
    """

    band: Band
    rate: np.ndarray
    rate_err: np.ndarray
    fracexp: np.ndarray
    bad: np.ndarray
    background_rate: float = math.nan
    counting: bool | None = None
    left_out: tuple[str, ...] = ()
    flags: Flag = _NO_FLAG


def of_table(
    hdu: Hdu, n: int, dt: float, known: registry.Mission | None, bands: Sequence[Band]
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
        self.found: dict[str, dict[str, int]] = {}

    def bands(self, name) -> np.ndarray:
        """Return a column of measurements, a row a band, NaN where there is none; it is read once."""
        if name not in self.known:
            values = self.hdu.read_any(name)
            if values.dtype.kind in "biuf":
                read = undefined.clean(np.asarray(values, values.dtype.newbyteorder("=")))
            elif values.dtype.kind in "SU":
                words = undefined.of_words(values)
                read = undefined.clean(words.values)
                read = undefined.Cleaned(read.values, words.found | read.found)
            else:
                read = undefined.Cleaned(self.hdu.read(name))  # which says what is wrong with it
            self.found[name] = getattr(self.hdu, "found", {}).get(name, {}) | read.found
            bands = lightcurve.as_bands(read.values, self.n)
            self.known[name] = bands.astype(float, copy=False)
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

    def stand_ins(self) -> tuple[list[str], Flag]:
        """Say what stood in the place of values in the columns that were read, and STAND_INS."""
        found = [(name, *one) for name, each in self.found.items() for one in each.items()]
        flag = (
            Flag.STAND_INS if any(what != undefined.NOTHING for _, what, _ in found) else _NO_FLAG
        )
        return [f"{count} with {what} in {name}" for name, what, count in found], flag


def _series(table, name, number, dt, known) -> Series:
    """Return a band of a column of rates, counts or fluxes with what belongs to it."""
    dialect = registry.dialect(name)
    rate = table.bands(name)[number]
    error = errors.of_rate(table, name, number, dialect)
    if len(error) and dialect.raw in table.names and dialect.error in table.names:
        raw = table.first_of((dialect.raw,), number)
        error = np.abs(np.divide(rate, raw, out=np.full(table.n, np.nan), where=raw != 0)) * error
    if len(error) and not np.any(error > 0):
        error = _EMPTY
    of_counts = name == "COUNTS"
    negative = rate < 0
    if of_counts and negative.any() and _stand_for_none(rate, negative):
        table.found[name][f"{rate[negative][0]:g}"] = int(np.count_nonzero(negative))
        rate = np.where(negative, np.nan, rate)
    exposed = _exposure(table, number, dt)
    whole = of_counts and counts.are_counts(rate)
    scale, even = _scale(exposed.fraction, dt) if of_counts else (1.0, True)
    if whole and len(error):
        error = counts.of_curve(rate, error, 1.0, _EMPTY).rate_err
    elif whole and not even:
        error = np.sqrt(rate)
    if "RATE" in name and not len(error) and _COUNTS_A_SECOND.match(table.hdu.unit(name)):
        error = counts.errors_of(rate, dt, _EMPTY if exposed.relative else exposed.fraction)
    counting = False
    if "RATE" in name or (of_counts and len(error)):
        counting = None
    elif of_counts:
        counting = whole and even
    bad, reasons, flags = _bad(table, dialect, known)
    rate, error = rate * scale, error * scale if len(error) else error
    fracexp = _EMPTY if exposed.relative else exposed.fraction
    impossible = errors.are_none(rate, error, dt, fracexp)
    if impossible.any():
        reasons.append(f"{np.count_nonzero(impossible)} with an error of 0 or less")
    stand_ins, stood_in = table.stand_ins()
    return Series(
        band=Band(),
        rate=rate,
        rate_err=error,
        fracexp=fracexp,
        bad=bad | impossible,
        background_rate=_background(
            table, number, of_counts, scale, np.isfinite(rate) & ~bad & _exposed(exposed.fraction)
        ),
        counting=counting,
        left_out=(*reasons, *stand_ins),
        flags=flags | stood_in,
    )


def _stand_for_none(values, negative) -> bool:
    """Return whether the negative ones of numbers stand for none: one number, amid whole counts."""
    alone = len(np.unique(values[negative])) == 1 and np.mean(negative) < 0.5
    return alone and counts.are_counts(values[~negative])


def _exposure(table, number, dt) -> exposure.Exposure:
    """Return how the bins of a band were exposed, by the first column that says it."""
    for name in exposure.COLUMNS:
        values = table.first_of((name,), number)
        if len(values):
            unit = table.hdu.unit(name)
            if name == "TIMEDEL":
                unit = unit or str(table.hdu.header.get("TIMEUNIT", ""))
            return exposure.of_column(name, values, unit, dt)
    return exposure.Exposure(_EMPTY)


def _scale(fracexp, dt) -> tuple[np.ndarray | float, bool]:
    """Return what turns counts into a rate, and whether bins are exposed alike, but for a few."""
    exposed = fracexp[fracexp > 0]
    odd = np.abs(exposed - np.median(exposed)) > _EVEN * np.median(exposed) if len(exposed) else 0
    if np.mean(odd) < _EVEN:
        return 1 / dt, True
    return np.where(fracexp > 0, 1 / (dt * np.where(fracexp > 0, fracexp, 1)), np.nan), False


def _bad(table, dialect, known) -> tuple[np.ndarray, list[str], Flag]:
    """Return which bins are of bad quality, how many by which column, and QUALITY_UNKNOWN."""
    own = [dialect.quality] if dialect.quality in table.names else []
    bad, reasons, flags = np.zeros(table.n, dtype=bool), [], _NO_FLAG
    asked = getattr(table.hdu, "table", None)
    for name in own or quality.columns_of(table.hdu.columns):
        try:
            values = table.hdu.read_any(name)
        except Rejected:
            if asked:
                raise
            values = _EMPTY
        values = values.ravel() if values.size == table.n else values
        if len(values) != table.n:
            flags |= Flag.QUALITY_UNKNOWN
            continue
        called = table.hdu.called(name) if asked else name
        bits = known.quality_bits if known and not dialect.any_bit else 0
        if asked and asked.bad_bits:
            bits = asked.bad_bits
        elif name not in quality.BITS or (not called.isdigit() and called not in quality.BITS):
            bits = 0
        said = quality.of_column(called, values, asked.good if asked else (), bits, bool(asked))
        flags |= _NO_FLAG if said.known else Flag.QUALITY_UNKNOWN
        if said.bad.any():
            reasons.append(f"{np.count_nonzero(said.bad)} bad by {called}")
        bad |= said.bad
    return bad, reasons, flags


def bad_events(hdu: Hdu, known: registry.Mission | None) -> np.ndarray | None:
    """Return which events are bad by the column that the configuration names; None if it names none."""
    if not getattr(hdu, "table", None) or "QUALITY" not in hdu.columns:
        return None
    return _bad(_Columns(hdu, len(hdu.read("TIME"))), registry.dialect(""), known)[0]


def _exposed(fraction) -> np.ndarray | bool:
    """Return which bins are exposed well enough for a rate of their few counts to be one."""
    return fraction >= _LEAST_EXPOSED if len(fraction) else True


def _background(table, number, of_counts, scale, used) -> float:
    """Return the mean background rate in the bins that are used, NaN if unknown."""
    if not of_counts:
        rate = table.first_of(("BACKV",), number)
    elif {"BACK_COUNTS", "BACKRATIO"} <= table.names:
        ratio = table.first_of(("BACKRATIO",))
        rate = table.first_of(("BACK_COUNTS",), number) * ratio * scale
    else:
        background = table.first_of(("NORM_BG_COUNTS",), number)
        rate = background * scale if len(background) else background
    known = rate[used & np.isfinite(rate)] if len(rate) else rate
    return float(np.mean(known)) if len(known) else math.nan


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
    if wanted and all(np.isnan(added).all() for added in total.values()):
        limits = ", ".join(f"{one.lo:g}-{one.hi:g}" for one in wanted)
        raise Rejected(Status.NO_DATA, f"no channel lies in the band {limits} keV")
    good = np.zeros(len(next(iter(total.values()))), dtype=bool)
    series = [
        Series(one, added / step[0], _EMPTY, _EMPTY, good, counting=True)
        for one, added in total.items()
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
