"""The FITS dialects of the archive: arrays in, HDUs out, as each mission writes them.

Keywords follow OGIP memos 93-003 (timing), 92-007 (spectra) and CAL/GEN/92-002 (responses), and the
Kepler archive manual. No HDU holds the date it was written, so equal arrays make equal bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from astropy.io import fits

from pipeline.times import DAY

Cards = Mapping[str, str | int | float]
"""Values of a header by their keywords."""

NICER_MJDREF = (56658, 7.775925925925926e-4)
XMM_MJDREF = 50814.0
XTE_MJDREF = (49353, 6.965740740740741e-4)
KEPLER_BJDREF = 2454833


@dataclass(frozen=True)
class Target:
    """The object that a file is about.

    Attributes
    ----------
    name : str
        OBJECT, as this file spells it.
    ra, dec : float
        Position (ICRS), deg.
    obs_id : str
        OBS_ID.
    """

    name: str
    ra: float
    dec: float
    obs_id: str


def event_list(
    target: Target, time: np.ndarray, pi: np.ndarray, gti: np.ndarray, *, time_zero: float = 0.0
) -> fits.HDUList:
    """Return an event list as of NICER, barycentred.

    Parameters
    ----------
    target : Target
        The object it is about.
    time : ndarray, shape (n,)
        Arrival times, s from the mission's reference epoch.
    pi : ndarray of int, shape (n,)
        Energies in units of 0.01 keV.
    gti : ndarray, shape (k, 2)
        Good time intervals, on the same clock.
    time_zero : float, optional
        TIMEZERO: what a reader adds to the times and the intervals alike, s.
    """
    time, gti = np.asarray(time) - time_zero, np.asarray(gti) - time_zero
    cards = {
        **_identity(target, "NICER", "XTI"),
        **_clock("TDB", "SOLARSYSTEM"),
        "MJDREFI": NICER_MJDREF[0],
        "MJDREFF": NICER_MJDREF[1],
        "TIMEZERO": time_zero,
        "TSTART": gti[0, 0],
        "TSTOP": gti[-1, 1],
        "EXPOSURE": float(np.sum(gti[:, 1] - gti[:, 0])),
    }
    events = _table(
        "EVENTS",
        {
            **cards,
            **_class("EVENTS"),
            "DATAMODE": "PHOTON",
            "TIMEPIXR": 0.0,
            "TIMEDEL": 4e-8,
        },
        [("TIME", "D", "s", time), ("PI", "I", "chan", pi)],
    )
    return fits.HDUList([_primary(cards), events, _intervals("GTI", cards, gti)])


def rate_curve_xmm(
    target: Target,
    time: np.ndarray,
    rate: np.ndarray,
    error: np.ndarray,
    fracexp: np.ndarray,
    gti: np.ndarray,
    dt: float,
) -> fits.HDUList:
    """Return a light curve as of XMM-Newton: bin centres, MJDREF in one keyword, a row every bin.

    Parameters
    ----------
    target : Target
        The object it is about.
    time : ndarray, shape (n,)
        Bin centres, s from the mission's reference epoch.
    rate, error : ndarray, shape (n,)
        Rate and its error, ct/s, NaN in gaps.
    fracexp : ndarray, shape (n,)
        Exposed fraction of each bin.
    gti : ndarray, shape (k, 2)
        Good time intervals, on the same clock.
    dt : float
        Width of a bin, s.
    """
    cards = {
        **_identity(target, "XMM", "EPN"),
        **_clock("TDB", "SOLARSYSTEM"),
        "MJDREF": XMM_MJDREF,
        "TSTART": time[0] - 0.5 * dt,
        "TSTOP": time[-1] + 0.5 * dt,
        "EXPOSURE": dt * float(np.sum(fracexp)),
        "CHANTYPE": "PI",
        "CHANMIN": 300,
        "CHANMAX": 10000,
    }
    table = _rate_table({**cards, "TIMEDEL": dt, "TIMEPIXR": 0.5}, time, rate, error, fracexp)
    return fits.HDUList([_primary(cards), table, _intervals("SRC_GTIS", cards, gti)])


def rate_curve_xte(
    target: Target,
    time: np.ndarray,
    rate: np.ndarray,
    error: np.ndarray,
    fracexp: np.ndarray,
    gti: np.ndarray,
    dt: float,
) -> fits.HDUList:
    """Return a light curve as of RXTE: leading edges, MJDREF in two keywords, no row in a gap.

    Parameters
    ----------
    target, time, rate, error, fracexp, gti, dt
        As in `rate_curve_xmm`, bin centres too; rows without a rate are left out.
    """
    cards = {
        **_identity(target, "XTE", "PCA"),
        **_clock("TDB", "SOLARSYSTEM"),
        "MJDREFI": XTE_MJDREF[0],
        "MJDREFF": XTE_MJDREF[1],
        "TSTART": time[0] - 0.5 * dt,
        "TSTOP": time[-1] + 0.5 * dt,
        "EXPOSURE": dt * float(np.sum(fracexp)),
        "E_MIN": 2.0,
        "E_MAX": 60.0,
        "EUNIT": "keV",
    }
    there = np.isfinite(rate)
    table = _rate_table(
        {**cards, "TIMEDEL": dt, "TIMEPIXR": 0.0, "TIMEZERO": 0.0},
        (time - 0.5 * dt)[there],
        rate[there],
        error[there],
        fracexp[there],
    )
    return fits.HDUList([_primary(cards), table, _intervals("STDGTI", cards, gti)])


def kepler_curve(
    target: Target,
    kepler_id: int,
    time: np.ndarray,
    flux: np.ndarray,
    error: np.ndarray,
    quality: np.ndarray,
    dt: float,
) -> fits.HDUList:
    """Return a light curve as of Kepler, without OBS_ID.

    Parameters
    ----------
    target : Target
        The object it is about.
    kepler_id : int
        KEPLERID.
    time : ndarray, shape (n,)
        Middle of each cadence, s from BJD 2454833 (TDB); NaN where there was none.
    flux, error : ndarray, shape (n,)
        Corrected flux and its error, electron/s, NaN in gaps.
    quality : ndarray of int, shape (n,)
        SAP_QUALITY.
    dt : float
        Length of a cadence, s.
    """
    days = np.asarray(time) / DAY
    first, last = np.nanmin(days), np.nanmax(days)
    cards = {
        **_identity(target, "Kepler", "Kepler Photometer"),
        "KEPLERID": kepler_id,
        "MISSION": "Kepler",
        "OBSMODE": "long cadence",
    }
    del cards["OBS_ID"]  # as Kepler's
    clock = {
        **_clock("TDB", "SOLARSYSTEM", unit="d"),
        "BJDREFI": KEPLER_BJDREF,
        "BJDREFF": 0.0,
        "TSTART": first - 0.5 * dt / DAY,
        "TSTOP": last + 0.5 * dt / DAY,
        "EXPOSURE": float(np.isfinite(flux).sum()) * dt / DAY,
        "TIMEPIXR": 0.5,
        "TIMEDEL": dt / DAY,
    }
    # What the corrected flux is corrected for: the target drifts on the detector.
    drift = 1.0 + 0.01 * np.linspace(-1.0, 1.0, len(flux)) ** 2
    table = _table(
        "LIGHTCURVE",
        {**cards, **clock},
        [
            ("TIME", "D", "BJD - 2454833", days),
            ("CADENCENO", "J", "", np.arange(len(flux))),
            ("SAP_FLUX", "E", "e-/s", flux * drift),
            ("SAP_FLUX_ERR", "E", "e-/s", error),
            ("PDCSAP_FLUX", "E", "e-/s", flux),
            ("PDCSAP_FLUX_ERR", "E", "e-/s", error),
            ("SAP_QUALITY", "J", "", quality),
        ],
    )
    return fits.HDUList([_primary(cards), table])


def power_spectrum(
    target: Target, power: np.ndarray, n: np.ndarray, edges: np.ndarray, response: str
) -> fits.HDUList:
    """Return a power spectrum in the form that XSPEC fits.

    Parameters
    ----------
    target : Target
        The object it is about.
    power : ndarray, shape (n_bins,)
        Averaged Leahy power, noise level 2 included.
    n : ndarray, shape (n_bins,)
        Ordinates averaged in each.
    edges : ndarray, shape (n_bins + 1,)
        Edges of the bins, Hz: COUNTS are power times width, with the noise level taken off.
    response : str
        Name of the file from `response`, which has the edges.
    """
    width = np.diff(edges)
    cards = {
        **_identity(target, "XTE", "PCA"),
        **_class("SPECTRUM"),
        "FILTER": "NONE",
        "EXPOSURE": 1.0,
        "AREASCAL": 1.0,
        "BACKSCAL": 1.0,
        "CORRSCAL": 1.0,
        "BACKFILE": "NONE",
        "CORRFILE": "NONE",
        "ANCRFILE": "NONE",
        "RESPFILE": response,
        "POISSERR": False,
        "CHANTYPE": "PHA",
        "DETCHANS": len(power),
        "SYS_ERR": 0,
        "QUALITY": 0,
        "GROUPING": 0,
    }
    table = _table(
        "SPECTRUM",
        cards,
        [
            ("CHANNEL", "I", "", np.arange(1, len(power) + 1)),
            ("COUNTS", "D", "counts", (power - 2.0) * width),
            ("STAT_ERR", "D", "counts", power / np.sqrt(n) * width),
        ],
    )
    return fits.HDUList([fits.PrimaryHDU(), table])


def response(edges: np.ndarray) -> fits.HDUList:
    """Return the diagonal response that gives XSPEC the frequencies of power spectra.

    Parameters
    ----------
    edges : ndarray, shape (n_bins + 1,)
        Edges of the bins, Hz; the columns call them keV, which is what XSPEC knows.
    """
    size = len(edges) - 1
    channel, one = np.arange(1, size + 1), np.ones(size, dtype=int)
    cards: Cards = {
        "FILTER": "NONE",
        "CHANTYPE": "PHA",
        "DETCHANS": size,
        "RMFVERSN": "1992a",
    }
    matrix = _table(
        "MATRIX",
        {**cards, **_class("RESPONSE"), "HDUCLAS2": "RSP_MATRIX"},
        [
            ("ENERG_LO", "D", "keV", edges[:-1]),
            ("ENERG_HI", "D", "keV", edges[1:]),
            ("N_GRP", "I", "", one),
            ("F_CHAN", "I", "", channel),
            ("N_CHAN", "I", "", one),
            ("MATRIX", "1E", "", one),
        ],
    )
    bounds = _table(
        "EBOUNDS",
        {**cards, **_class("RESPONSE"), "HDUCLAS2": "EBOUNDS"},
        [
            ("CHANNEL", "J", "", channel),
            ("E_MIN", "D", "keV", edges[:-1]),
            ("E_MAX", "D", "keV", edges[1:]),
        ],
    )
    return fits.HDUList([fits.PrimaryHDU(), matrix, bounds])


def _rate_table(
    cards: Cards, time: np.ndarray, rate: np.ndarray, error: np.ndarray, fracexp: np.ndarray
) -> fits.BinTableHDU:
    return _table(
        "RATE",
        {**cards, **_class("LIGHTCURVE"), "HDUCLAS2": "TOTAL", "HDUCLAS3": "RATE"},
        [
            ("TIME", "D", "s", time),
            ("RATE", "E", "count/s", rate),
            ("ERROR", "E", "count/s", error),
            ("FRACEXP", "E", "", fracexp),
        ],
    )


def _intervals(name: str, cards: Cards, gti: np.ndarray) -> fits.BinTableHDU:
    return _table(
        name,
        {**cards, **_class("GTI"), "HDUCLAS2": "STANDARD"},
        [("START", "D", "s", gti[:, 0]), ("STOP", "D", "s", gti[:, 1])],
    )


def _identity(target: Target, telescope: str, instrument: str) -> Cards:
    return {
        "TELESCOP": telescope,
        "INSTRUME": instrument,
        "OBS_ID": target.obs_id,
        "OBJECT": target.name,
        "RADECSYS": "ICRS",
        "EQUINOX": 2000.0,
        "RA_OBJ": target.ra,
        "DEC_OBJ": target.dec,
    }


def _clock(system: str, reference: str, unit: str = "s") -> Cards:
    return {"TIMESYS": system, "TIMEREF": reference, "TIMEUNIT": unit}


def _class(name: str) -> Cards:
    return {"HDUCLASS": "OGIP", "HDUCLAS1": name}


def _primary(cards: Cards) -> fits.PrimaryHDU:
    hdu = fits.PrimaryHDU()
    hdu.header.update(cards)
    return hdu


def _table(
    name: str, cards: Cards, columns: Sequence[tuple[str, str, str, np.ndarray]]
) -> fits.BinTableHDU:
    """Return a binary table; `columns` are (TTYPE, TFORM, TUNIT, array)."""
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column(n, form, unit or None, array=array) for n, form, unit, array in columns],
        name=name,
    )
    hdu.header.update(cards)
    return hdu
