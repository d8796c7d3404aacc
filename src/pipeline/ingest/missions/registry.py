"""Missions and their instruments, a line each: what files do not say. A new mission is a line here.

`stingray.mission_support` is the field's table (xselect.mdb and a few conversions). Every worker would take
seconds to import it, so the needed part of it is copied here, and a test compares both. The other lines are
of missions, or values, that it lacks.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mission:
    """A mission, or one of its instruments.

    Attributes
    ----------
    name : str
        First word of TELESCOP, in lower case.
    instrument : str
        Beginning of INSTRUME, in lower case; empty for all instruments that have no line of their own. Such a
        line comes after the others of its mission.
    pi : (float, float) or None
        Energy of PI channel 0 and width of a channel, keV; None where they are not fixed by the mission.
    quality_bits : int
        Bits of a column of quality that make a bin bad; 0: all bits.
    source : str
        Publication or program that says so.
    """

    name: str
    instrument: str = ""
    pi: tuple[float, float] | None = None
    quality_bits: int = 0
    source: str = ""


MISSIONS = (
    Mission("asca", source="xselect.mdb"),
    Mission("astro-e2", "xis", (0.0, 0.00365), source="Suzaku ABC Guide: 3.65 eV a channel"),
    Mission("astro-e2", source="xselect.mdb"),
    Mission("astro-h", source="xselect.mdb"),
    Mission("astrosat", "sxt", (0.0, 0.01), source="SXT data analysis guide: 10 eV a channel"),
    Mission("astrosat", source="xselect.mdb; LAXPC and CZTI have a column Energy"),
    Mission("axaf", "hrc", source="HRC has next to no energy resolution"),
    Mission("axaf", "", (-0.0146, 0.0146), source="stingray"),
    Mission("bbxrt", source="xselect.mdb"),
    Mission("burstcube", source="xselect.mdb"),
    Mission("calet", source="xselect.mdb"),
    Mission("chandra", "hrc", source="HRC has next to no energy resolution"),
    Mission("chandra", "", (-0.0146, 0.0146), source="stingray, as AXAF"),
    Mission("einstein", source="xselect.mdb"),
    Mission("erosita", "", (0.0, 0.001), source="eSASS: PI in eV"),
    Mission("exosat", source="xselect.mdb"),
    Mission("fermi", source="LAT: column ENERGY; GBM: EBOUNDS in the file"),
    Mission("glast", source="LAT: column ENERGY; GBM: EBOUNDS in the file"),
    Mission("goes", source="SDAC/GSFC XRS files: EDGES in the file"),
    Mission("halosat", source="xselect.mdb"),
    Mission("hess", source="GADF: column ENERGY"),
    Mission("hitomi", "sxs", (0.0, 0.0005), source="Hitomi calibration database: 0.5 eV a channel"),
    Mission("hitomi", "sxi", (0.0, 0.006), source="Hitomi calibration database: 6 eV a channel"),
    Mission("hitomi", source="xselect.mdb"),
    Mission("hxmt", "he", (15.0, 370 / 256), source="HXMTDAS manual"),
    Mission("hxmt", "me", (3.0, 60 / 1024), source="HXMTDAS manual"),
    Mission("hxmt", "le", (0.1, 13 / 1536), source="HXMTDAS manual"),
    Mission("integral", source="xselect.mdb"),
    Mission("ixpe", "", (0.0, 0.04), source="stingray"),
    Mission("kepler", quality_bits=1130799, source="KDMC-10008-006, table 2-3"),
    Mission("maxi", source="xselect.mdb"),
    Mission("nicer", "", (0.0, 0.01), source="stingray"),
    Mission("nustar", "", (1.62, 0.04), source="stingray"),
    Mission("rosat", "psp", (0.0, 0.01), source="ROSAT User's Handbook: PI in 10 eV"),
    Mission("rosat", source="xselect.mdb"),
    Mission("sax", source="xselect.mdb"),
    Mission("spectrum-rg", "", (0.0, 0.001), source="eSASS: PI in eV"),
    Mission("srg", "", (0.0, 0.001), source="eSASS: PI in eV"),
    Mission("suzaku", "xis", (0.0, 0.00365), source="Suzaku ABC Guide: 3.65 eV a channel"),
    Mission("suzaku", source="xselect.mdb"),
    Mission("swift", "xrt", (0.0, 0.01), source="XRT User's Guide: PI in 10 eV"),
    Mission("swift", "bat", (0.0, 0.1), source="BAT Ground Analysis Manual: PI in 0.1 keV"),
    Mission("swift", source="xselect.mdb"),
    Mission("tess", quality_bits=175, source="EXP-TESS-ARC-ICD-0014, data quality flags"),
    Mission("xlcalibur1", source="xselect.mdb"),
    Mission("xmm", "rgs", source="RGS: the energy is in the dispersion"),
    Mission("xmm", "", (0.0, 0.001), source="stingray"),
    Mission("xrism", "resolve", (0.0, 0.0005), source="XRISM ABC Guide: 0.5 eV a channel"),
    Mission("xrism", "xtend", (0.0, 0.006), source="XRISM ABC Guide: 6 eV a channel"),
    Mission("xrism", source="xselect.mdb"),
    Mission("xte", source="stingray: PCA channels by epoch; see `pipeline.ingest.missions.rxte`"),
)
"""Bits of Kepler: attitude tweak, safe mode, coarse point, Earth point, desaturation, manual exclude,
detector anomaly, no data, thruster firing. Of TESS: attitude tweak, safe mode, coarse point, Earth
point, desaturation, manual exclude."""


@dataclass(frozen=True)
class LightCurveDialect:
    """Columns of light curves that have other names than OGIP's.

    Attributes
    ----------
    flux : str
        Column with the flux.
    error : str
        Column with its error; empty: `flux` + ``_ERR``.
    quality : str
        Column with the quality; empty: SAP_QUALITY or QUALITY.
    raw : str
        Column that `error` belongs to, if not to the flux: the relative errors of both are the same.
    any_bit : bool
        Whether every bin whose quality is not 0 is bad.
    source : str
        Programs or missions that write it.
    """

    flux: str
    error: str = ""
    quality: str = ""
    raw: str = ""
    any_bit: bool = False
    source: str = ""


DIALECTS = (
    LightCurveDialect("PDCSAP_FLUX", source="Kepler, K2, TESS SPOC, TESS-SPOC"),
    LightCurveDialect("SAP_FLUX", source="the same, before systematics are taken out; MIT QLP"),
    LightCurveDialect("KSPSAP_FLUX", source="MIT QLP"),
    LightCurveDialect("DET_FLUX", source="MIT QLP from sector 56"),
    LightCurveDialect("CORR_FLUX", "FLUX_ERR", raw="RAW_FLUX", source="eleanor, GSFC-ELEANOR-LITE"),
    LightCurveDialect("FLUX_CORR", quality="PIXEL_QUALITY", source="TASOC"),
    LightCurveDialect("FCOR", quality="MOVING", any_bit=True, source="K2SFF"),
    LightCurveDialect("CAL_PSF_FLUX", quality="TESS_FLAGS", source="TGLC"),
    LightCurveDialect("CAL_APER_FLUX", quality="TESS_FLAGS", source="TGLC"),
    LightCurveDialect("PSF_FLUX_COR", quality="DQUALITY", source="PATHOS"),
    LightCurveDialect("IFL1", "IFE1", quality="IRQ1", source="CDIPS: aperture 1"),
    LightCurveDialect("FLUX", source="EVEREST, K2SC, GOES/XRS"),
)
"""Of these columns the first that a table has is read, if it has neither RATE nor COUNTS."""


@dataclass(frozen=True)
class TimeColumn:
    """A column with the times.

    Attributes
    ----------
    name : str
        Its name.
    beside : str
        A column that its table must also have; empty: none.
    zero : float or None
        Julian date from which it counts days at the solar-system barycentre, if unit and keywords do not
        say it; None: it counts as unit and keywords say.
    source : str
        Programs or missions that write it.
    """

    name: str
    beside: str = ""
    zero: float | None = None
    source: str = ""


TIME_COLUMNS = (
    TimeColumn("TIME", source="OGIP"),
    TimeColumn("TMID_BJD", "IFL1", 0.0, source="CDIPS"),
    TimeColumn("T", "FCOR", 2454833.0, source="K2SFF"),
)
"""The first of these columns that a table has is used."""

ENERGY_COLUMNS = ("ENERGY", "ISGRI_ENERGY")
"""Columns with the energies of events, the best first: everybody's and INTEGRAL's."""

DETECTOR_COLUMNS = (
    *("CCDNR", "CCD_ID", "CCDID", "CCD_NO", "TM_NR", "TMNR", "DET_ID", "DETID", "DETNUM", "DETNO"),
    *("PCUID", "PCU", "QUADID", "QUADRANT", "MODULEID", "MPU", "CHIPID", "CHIP_ID", "TIMEDETID"),
    *("DU_ID", "DUID", "TELID", "TEL_ID", "XISID", "LAXPC_NO"),
)
"""Columns, and keywords of good time intervals, with the number of a detector. Columns of other names are found
by their values."""


def is_known(name: str) -> bool:
    """Return whether a mission, by TELESCOP in lower case, has a line."""
    first_word = name.partition(" ")[0]
    return any(line.name == first_word for line in MISSIONS)


def mission_of(name: str, instrument: str = "") -> Mission | None:
    """Return the line of an instrument, None for a mission that is not known.

    Parameters
    ----------
    name, instrument : str
        TELESCOP and INSTRUME in lower case.
    """
    first_word = name.partition(" ")[0]
    for line in MISSIONS:
        if line.name == first_word and instrument.startswith(line.instrument):
            return line
    return None


def dialect(flux: str) -> LightCurveDialect:
    """Return the dialect of a column of fluxes; that of OGIP if it has none of its own."""
    return next((d for d in DIALECTS if d.flux == flux), LightCurveDialect(flux))
