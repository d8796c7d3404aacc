"""Columns that several tables have."""

from pipeline.columns.base import Column, measured

SOURCE_ID = Column("source_id", "str", "Identifier of the source.", ucd="meta.id;meta.main")
OBSERVATION_ID = Column(
    "observation_id", "str", "Identifier of the observation.", ucd="meta.id;obs"
)
FILE = Column("file", "str", "Path of the file inside the archive.", ucd="meta.id;meta.file")
SHA256 = Column(
    "sha256", "str", "SHA-256 of the file, empty where it was not read to its end.", ucd="meta.code"
)
VERSION = Column(
    "version",
    "str",
    "What changes when the file does: its ETag, else its size and time of change.",
    ucd="meta.version",
)
KIND = Column(
    "kind", "str", "events, lightcurve, spectrum, response or other.", ucd="meta.code.class"
)
MISSION = Column("mission", "str", "Mission, in lower case.", ucd="meta.id;instr.obsty")
INSTRUMENT = Column("instrument", "str", "Instrument, in lower case.", ucd="instr")
OBJECT = Column("object", "str", "Object, as the file spells it.", ucd="meta.id")
RA = Column("ra", "float64", "Right ascension, ICRS, NaN if unknown.", "deg", "pos.eq.ra;meta.main")
DEC = Column("dec", "float64", "Declination, ICRS, NaN if unknown.", "deg", "pos.eq.dec;meta.main")
N_DROPPED = Column(
    "n_dropped",
    "int64",
    "Bins of light curves that were left out: no finite time or value, or marked bad; events so marked.",
    ucd="meta.number",
)
STATUS = Column("status", "str", "What became of it, in a word.", ucd="meta.code.status")
FLAGS = Column(
    "flags",
    "int64",
    "Caveats, a bit each; header (FITS), INFO (VOTable) and metadata (Parquet) say what each means.",
    ucd="meta.code",
)
RMS_LIMIT = Column(
    "rms_limit",
    "float64",
    "95 % upper limit of rms, where the variance is less than three errors of that of noise alone.",
    ucd="src.var.amplitude;stat.max",
)
REASON = Column("reason", "str", "Why there is no result, and what to do.", ucd="meta.note")
PRODUCT = Column(
    "product",
    "str",
    "What was analysed: kind, mission, instrument, energy band and time resolution.",
    ucd="meta.id.part",
)
EPOCH = Column(
    "epoch",
    "str",
    "Observation it is of, where the average of several is another product; else empty.",
    ucd="meta.id;obs",
)
BAND_LO = Column(
    "band_lo", "float64", "Lower edge of the band, NaN if unknown.", "keV", "em.energy;stat.min"
)
BAND_HI = Column(
    "band_hi", "float64", "Upper edge of the band, NaN if unknown.", "keV", "em.energy;stat.max"
)
STATIONARITY_P = Column(
    "stationarity_p",
    "float64",
    "Probability of the scatter of power between segments and observations of a stationary source.",
    "",
    "stat.probability",
)
SERIES = Column(
    "series",
    "str",
    "Product that this one is a length of segment of; where there is one length, the product.",
    ucd="meta.id",
)
LONGEST_INTERVAL = Column(
    "longest_interval",
    "float64",
    "Longest good time interval, short gaps filled; NaN if unknown.",
    "s",
    "time.interval;stat.max",
)
TAPER = Column(
    "taper", "str", "Window of the segments: none, hann, dpss; empty if unknown.", ucd="meta.code"
)
DETREND = Column(
    "detrend",
    "str",
    "What was subtracted from segments: constant, linear, quadratic; empty if unknown.",
    ucd="meta.code",
)
LEAKAGE_P = Column(
    "leakage_p",
    "float64",
    "Probability of as much power without a window if none leaked from low frequencies.",
    "",
    "stat.probability",
)
PULSE = (
    *measured(
        "pulse_frequency",
        "Hz",
        "em.freq;src.var.pulse",
        "Frequency of a strictly periodic signal, of its fundamental, in the middle of the observation.",
    ),
    *measured(
        "pulsed_fraction",
        "",
        "src.var.amplitude",
        "Rms of the pulse over the mean rate, noise and known background subtracted.",
    ),
    Column(
        "pulse_h",
        "float64",
        "H of the pulse (de Jager & Buesching 2010), of powers over the local level.",
        "",
        "stat.value",
    ),
    Column(
        "pulse_harmonics",
        "int32",
        "Harmonics of the pulse in that and in pulsed_fraction.",
        ucd="meta.number",
        null=0,
    ),
    Column(
        "pulse_p_value",
        "float64",
        "Probability of phases that agree so well without a pulse, at any frequency searched.",
        "",
        "stat.probability",
    ),
)
T_SSE_P_VALUE = Column(
    "t_sse_p_value",
    "float64",
    "Probability of T_SSE or more where the model is true, from simulations: how well it fits.",
    "",
    "stat.probability",
)
OUTLIER_FREQUENCY = Column(
    "outlier_frequency",
    "float64",
    "Middle of the highest window of bins over the model; NaN where not searched.",
    "Hz",
    "em.freq",
)
OUTLIER_P_VALUE = Column(
    "outlier_p_value",
    "float64",
    "Probability of such a window anywhere where the model is true, from simulations.",
    "",
    "stat.probability",
)
EXPOSURE = Column(
    "exposure", "float64", "Good time, NaN if unknown.", "s", "time.duration;obs.exposure"
)
NORM = Column("norm", "str", "Normalisation of the power: frac, leahy or abs.", ucd="meta.code")
MODEL = Column("model", "str", "Name of the model in the configuration.", ucd="meta.id;stat.fit")
