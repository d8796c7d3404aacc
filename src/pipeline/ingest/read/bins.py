"""The light curves in the columns of a table, in any dialect, and their bands."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipeline.ingest.files.recognise import rate_columns
from pipeline.ingest.hdu import Hdu
from pipeline.ingest.missions import band, registry, rxte
from pipeline.ingest.missions.band import Band
from pipeline.ingest.read import counts, errors, exposure, quality
from pipeline.ingest.read.columns import MeasuredColumns
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
        Its energies, and its label if there are several light curves.
    rate : ndarray, shape (n,)
        Rates or fluxes.
    rate_err, fracexp : ndarray, shape (n,) or (0,)
        Errors and exposed fractions; empty if unknown.
    bad : ndarray of bool, shape (n,)
        Bins of bad quality.
    background_rate : float
        Mean rate of the background, ct/s; NaN if unknown.
    counting : bool or None
        Whether rate times bin width are Poisson counts; None: the errors will tell.
    left_out : tuple of str
        Numbers of bins that are bad or have no value, each with the reason.
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
    """Read the light curves of a table.

    Parameters
    ----------
    hdu : Hdu
        The table.
    n : int
        Number of times.
    dt : float
        Width of a bin, s.
    known : Mission or None
        The mission, if it is known.
    bands : sequence of Band
        The bands in the file's keywords; see `band.of_light_curve`. If they are fewer than the light
        curves, these are numbered.

    Raises
    ------
    Rejected
        NO_DATA without a column of rates, counts or fluxes.
    """
    names = rate_columns(hdu.columns)
    if not names:
        raise Rejected(Status.NO_DATA, "no column with a rate, counts or a flux")
    table = MeasuredColumns(hdu, n)
    if names == ["RATE"] and {"COUNTS", "BACK_COUNTS", "BACKRATIO"} <= set(hdu.columns):
        names = ["COUNTS"]  # eROSITA: RATE is without the background, whatever BACKAPP says
    if names == ["PDCSAP_FLUX"] and not np.isfinite(table.bands("PDCSAP_FLUX")).any():
        names = ["SAP_FLUX"] if "SAP_FLUX" in hdu.columns else names
    made = [_series(table, name, i, dt, known) for name in names for i in table.each(name)]
    named = _named(bands, len(made))
    return [replace(series, band=its) for series, its in zip(made, named, strict=True)]


def _series(
    table: MeasuredColumns, name: str, number: int, dt: float, known: registry.Mission | None
) -> Series:
    """Return a band of a column of rates, counts or fluxes with its errors, exposures and quality."""
    dialect, of_counts = registry.dialect(name), name == "COUNTS"
    rate = table.bands(name)[number]
    error = _error(table, name, number, dialect)
    if of_counts:
        rate = _without_stand_ins(table, name, rate)
    exposed = _exposure(table, number, dt)
    fracexp = _EMPTY if exposed.relative else exposed.fraction
    whole = of_counts and counts.are_counts(rate)
    scale, even = _scale(exposed.fraction, dt) if of_counts else (1.0, True)
    if whole and len(error):
        error = counts.of_curve(rate, error, 1.0, _EMPTY).rate_err
    elif whole and not even:
        error = np.sqrt(rate)
    if "RATE" in name and not len(error) and _COUNTS_A_SECOND.match(table.hdu.unit(name)):
        error = counts.errors_of(rate, dt, fracexp)
    counting: bool | None = whole and even
    if "RATE" in name or (of_counts and len(error)):
        counting = None
    quality_of = _bad(table, dialect, known)
    rate, error = rate * scale, error * scale if len(error) else error
    impossible = errors.are_impossible(rate, error, dt, fracexp)
    reasons = list(quality_of.reasons)
    if impossible.any():
        reasons.append(f"{np.count_nonzero(impossible)} with an error of 0 or less")
    stand_ins = table.stand_ins()
    used = np.isfinite(rate) & ~quality_of.bad & _well_exposed(exposed.fraction)
    return Series(
        band=Band(),
        rate=rate,
        rate_err=error,
        fracexp=fracexp,
        bad=quality_of.bad | impossible,
        background_rate=_background(table, number, of_counts, scale, used),
        counting=counting,
        left_out=(*reasons, *stand_ins.reasons),
        flags=quality_of.flags | stand_ins.flags,
    )


def _error(
    table: MeasuredColumns, name: str, number: int, dialect: registry.LightCurveDialect
) -> np.ndarray:
    """Return the errors of a band of a column, empty if there are none."""
    error = errors.of_rate(table, name, number, dialect)
    if len(error) and dialect.raw in table.names and dialect.error in table.names:
        rate, raw = table.bands(name)[number], table.first_of((dialect.raw,), number)
        error = np.abs(np.divide(rate, raw, out=np.full(table.n, np.nan), where=raw != 0)) * error
    return error if len(error) and np.any(error > 0) else _EMPTY


def _without_stand_ins(table: MeasuredColumns, name: str, values: np.ndarray) -> np.ndarray:
    """Return counts with NaN in the place of a negative number that stands for no value."""
    negative = values < 0
    if not negative.any() or not _stand_for_none(values, negative):
        return values
    table.found[name][f"{values[negative][0]:g}"] = int(np.count_nonzero(negative))
    return np.where(negative, np.nan, values)


def _stand_for_none(values: np.ndarray, negative: np.ndarray) -> bool:
    """Return whether negative numbers stand for no value: all are one number, and the others are counts."""
    alone = len(np.unique(values[negative])) == 1 and np.mean(negative) < 0.5
    return alone and counts.are_counts(values[~negative])


def _exposure(table: MeasuredColumns, number: int, dt: float) -> exposure.Exposure:
    """Return how the bins of a band were exposed, by the first column of exposures."""
    for name in exposure.COLUMNS:
        values = table.first_of((name,), number)
        if len(values):
            unit = table.hdu.unit(name)
            if name == "TIMEDEL":
                unit = unit or str(table.hdu.header.get("TIMEUNIT", ""))
            return exposure.of_column(name, values, unit, dt)
    return exposure.Exposure(_EMPTY)


def _scale(fracexp: np.ndarray, dt: float) -> tuple[np.ndarray | float, bool]:
    """Return the factor from counts to a rate, and whether nearly all bins are exposed alike."""
    exposed = fracexp[fracexp > 0]
    middle = np.median(exposed) if len(exposed) else math.nan
    odd = np.abs(exposed - middle) > _EVEN * middle
    if not len(exposed) or np.mean(odd) < _EVEN:
        return 1 / dt, True
    return np.where(fracexp > 0, 1 / (dt * np.where(fracexp > 0, fracexp, 1)), np.nan), False


@dataclass(frozen=True)
class _Quality:
    """Which bins are bad.

    Attributes
    ----------
    bad : ndarray of bool, shape (n,)
        Bins that are bad.
    reasons : list of str
        How many of them are bad by each column.
    flags : Flag
        QUALITY_UNKNOWN.
    """

    bad: np.ndarray
    reasons: list[str]
    flags: Flag


def _bad(
    table: MeasuredColumns, dialect: registry.LightCurveDialect, known: registry.Mission | None
) -> _Quality:
    """Return which bins are bad by the columns of quality."""
    hdu, entry = table.hdu, table.hdu.entry
    own = [dialect.quality] if dialect.quality in table.names else []
    bad, reasons, flags = np.zeros(table.n, dtype=bool), [], _NO_FLAG
    for name in own or quality.columns_of(hdu.columns):
        try:
            values = hdu.read_any(name)
        except Rejected:
            if entry:
                raise
            values = _EMPTY
        values = values.ravel() if values.size == table.n else values
        if len(values) != table.n:
            flags |= Flag.QUALITY_UNKNOWN
            continue
        called = hdu.name_in_file(name)
        bits = known.quality_bits if known and not dialect.any_bit else 0
        if entry and entry.bad_bits:
            bits = entry.bad_bits
        elif name not in quality.BITS or (not called.isdigit() and called not in quality.BITS):
            bits = 0
        good = entry.good if entry else ()
        found = quality.of_column(called, values, good, bits, bool(entry))
        flags |= _NO_FLAG if found.known else Flag.QUALITY_UNKNOWN
        if found.bad.any():
            reasons.append(f"{np.count_nonzero(found.bad)} bad by {called}")
        bad |= found.bad
    return _Quality(bad, reasons, flags)


def bad_events(hdu: Hdu, known: registry.Mission | None) -> np.ndarray | None:
    """Return which events are bad by the column that the configuration names; None if it names none."""
    if not hdu.entry or "QUALITY" not in hdu.columns:
        return None
    return _bad(MeasuredColumns(hdu, len(hdu.read("TIME"))), registry.dialect(""), known).bad


def _well_exposed(fraction: np.ndarray) -> np.ndarray | bool:
    """Return which bins are exposed long enough for the rate of their few counts to mean something."""
    return fraction >= _LEAST_EXPOSED if len(fraction) else True


def _background(
    table: MeasuredColumns,
    number: int,
    of_counts: bool,
    scale: np.ndarray | float,
    used: np.ndarray,
) -> float:
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


def _named(bands: Sequence[Band], n: int) -> list[Band]:
    """Return a band for each of `n` light curves, labelled by its number if the file has no label."""
    if n == 1:
        return [bands[0] if bands else Band()]
    known = list(bands[:n]) if len(bands) >= n else [Band()] * n
    if len({one.label for one in known}) == n:
        return known
    return [replace(one, label=f"band{i}") for i, one in enumerate(known, 1)]


@dataclass(frozen=True)
class ScienceArray:
    """The light curves of an RXTE science array.

    Attributes
    ----------
    dt : float
        Width of a bin, s.
    bins : int
        Number of bins in a row.
    series : list of Series
        One a band.
    """

    dt: float
    bins: int
    series: list[Series]


def of_array(hdu: Hdu, timedel: float | None, mjd: float, wanted: Sequence[Band]) -> ScienceArray:
    """Read the counts of an RXTE science array.

    Parameters
    ----------
    hdu : Hdu
        Table XTE_SA.
    timedel : float or None
        TIMEDEL that holds for the table, s.
    mjd : float
        Date of the observation, for the gain.
    wanted : sequence of Band
        Energy bands in which channels are added; empty: all channels.

    Raises
    ------
    Rejected
        NO_DATA where no column has a time resolution, or no channel is in any of the bands.
    """
    total: dict[Band, np.ndarray] = {}
    step: rxte.TimeStep | None = None
    for name in rxte.count_columns(hdu.columns):
        number = hdu.number(name)
        cells = hdu.read(name)
        if not cells.size:
            raise Rejected(Status.NO_DATA, f"column {name} has no values: nothing was recorded")
        size = cells.size // len(cells)
        own_step = rxte.time_step(hdu.header, timedel, number, size)
        if step is not None and own_step != step:
            continue  # calibration spectra beside the light curves
        step = own_step
        groups = _groups(hdu.header, number, size // step.bins)
        for one in wanted or (Band(),):
            chosen = _channels(groups, one, mjd, 0 if name.endswith("PCU0") else 1)
            added = rxte.sum_channels(cells, step.bins, chosen)
            if chosen is not None and not chosen.any():
                added[:] = np.nan
            total[one] = total.get(one, np.zeros(1)) + added
    if step is None or not step.dt > 0:
        raise Rejected(
            Status.NO_DATA, "no column of counts with a time resolution (TIMEDEL, 1CDLTn)"
        )
    if wanted and all(np.isnan(added).all() for added in total.values()):
        limits = ", ".join(f"{one.lo:g}-{one.hi:g}" for one in wanted)
        raise Rejected(Status.NO_DATA, f"no channel lies in the band {limits} keV")
    good = np.zeros(len(next(iter(total.values()))), dtype=bool)
    series = [
        Series(one, added / step.dt, _EMPTY, _EMPTY, good, counting=True)
        for one, added in total.items()
    ]
    return ScienceArray(step.dt, step.bins, series)


def _groups(header: Mapping[str, Any], number: int, channels: int) -> list[tuple[int, int]]:
    """Return the absolute channels in each value of a column; none if they are unknown."""
    for key in (f"TDDES{number}", f"TTDES{number}"):
        groups = rxte.channel_groups(str(header.get(key, "")))
        if len(groups) == channels:
            return groups
    standard = rxte.standard_2_groups()
    return standard if channels == len(standard) else []


def _channels(
    groups: Sequence[tuple[int, int]], wanted: Band, mjd: float, detector: int
) -> np.ndarray | None:
    """Return which values of a cell are in a band, None for all of them."""
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
    hdus: Sequence[Hdu], header: Mapping[str, Any], mission: str, instrument: str, stem: str
) -> list[Band]:
    """Return the bands of the light curves of a table, as far as the file gives them.

    Parameters
    ----------
    hdus : sequence of Hdu
        All of the file. GOES/XRS has the wavelengths of its channels in a table EDGES.
    header : mapping
        Keywords of the table.
    mission, instrument, stem : str
        See `band.of_light_curve`.
    """
    for hdu in hdus:
        if tuple(hdu.columns) == ("EDGES",) and hdu.unit("EDGES").lower().startswith("angstrom"):
            return [band.of_wavelengths(*pair) for pair in hdu.read("EDGES").reshape(-1, 2)]
    return band.of_light_curve(header, mission, stem, instrument)
