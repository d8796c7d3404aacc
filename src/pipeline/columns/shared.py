"""Columns of tables of every stage: which source, observation and file a row is of, and what became of it."""

from pipeline.columns.base import Column

SOURCE_ID = Column("source_id", "str", "Identifier of the source.", ucd="meta.id;meta.main")
OBSERVATION_ID = Column(
    "observation_id",
    "str",
    "Identifier of the observation; of the first where several were averaged.",
    ucd="meta.id;obs",
)
N_OBSERVATIONS = Column(
    "n_observations",
    "int32",
    "Observations of the source that were used.",
    ucd="meta.number;obs",
)
FILE = Column("file", "str", "Path of the file inside the archive.", ucd="meta.id;meta.file")
SIZE = Column(
    "size",
    "int64",
    "Size of the file; null if unknown.",
    "byte",
    "phys.size;meta.file",
    null=-1,
)
MTIME_NS = Column(
    "mtime_ns", "int64", "Time of the last change, ns since 1970.", "ns", "time.epoch", null=0
)
SHA256 = Column(
    "sha256", "str", "SHA-256 of the file, empty where it was not read to its end.", ucd="meta.code"
)
VERSION = Column(
    "version",
    "str",
    "Text that changes when the file does: its ETag, else its size and time of change.",
    ucd="meta.version",
)
KIND = Column(
    "kind", "str", "events, lightcurve, spectrum, response or other.", ucd="meta.code.class"
)
MISSION = Column("mission", "str", "Mission, in lower case.", ucd="meta.id;instr.obsty")
INSTRUMENT = Column("instrument", "str", "Instrument, in lower case.", ucd="instr")
OBJECT = Column(
    "object",
    "str",
    "Object, as the file spells it; of several files, as the first one does.",
    ucd="meta.id",
)
RA = Column("ra", "float64", "Right ascension, ICRS, NaN if unknown.", "deg", "pos.eq.ra;meta.main")
DEC = Column("dec", "float64", "Declination, ICRS, NaN if unknown.", "deg", "pos.eq.dec;meta.main")
PRODUCT = Column(
    "product",
    "str",
    "What was analysed: kind, mission, instrument, energy band and time resolution.",
    ucd="meta.id.part",
)
BAND_LO = Column(
    "band_lo", "float64", "Lower edge of the band, NaN if unknown.", "keV", "em.energy;stat.min"
)
BAND_HI = Column(
    "band_hi", "float64", "Upper edge of the band, NaN if unknown.", "keV", "em.energy;stat.max"
)
MJD_START = Column(
    "mjd_start",
    "float64",
    "Start (MJD in the file's time system), NaN if unknown.",
    "d",
    "time.start",
)
MJD_STOP = Column(
    "mjd_stop", "float64", "End (MJD in the file's time system), NaN if unknown.", "d", "time.end"
)
EXPOSURE = Column(
    "exposure", "float64", "Good time, NaN if unknown.", "s", "time.duration;obs.exposure"
)
N_DROPPED = Column(
    "n_dropped",
    "int64",
    "Bins of light curves that were left out, without a finite time or value or marked bad; "
    "events marked bad.",
    ucd="meta.number",
)
STATUS = Column("status", "str", "Outcome, in a word.", ucd="meta.code.status")
FLAGS = Column(
    "flags",
    "int64",
    "Caveats, one bit each; header (FITS), INFO (VOTable) and metadata (Parquet) say what "
    "each bit means.",
    ucd="meta.code",
)
REASON = Column("reason", "str", "Why there is no result, and what to do.", ucd="meta.note")

OF_PRODUCT = (SOURCE_ID, PRODUCT, KIND, MISSION, INSTRUMENT, OBJECT, RA, DEC, BAND_LO, BAND_HI)
"""Columns with which the tables of products of light curves begin."""

IDENTITY = tuple(column.name for column in (KIND, MISSION, INSTRUMENT, OBJECT, RA, DEC))
"""Names of the columns that say what a file or a power spectrum is of."""
