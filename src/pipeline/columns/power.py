"""Columns of power spectra, and of what is measured of a light curve without a model."""

from pipeline.columns.base import Column, with_errors

DT = Column(
    "dt",
    "float64",
    "Time resolution (of a light curve, the width of a bin); 0 if unknown.",
    "s",
    "time.resolution",
)
BACKGROUND_RATE = Column(
    "background_rate",
    "float64",
    "Mean background rate in the band, NaN if unknown.",
    "ct/s",
    "phot.count;instr.background",
)
MEAN_RATE = Column(
    "mean_rate",
    "float64",
    "Mean rate in the segments used, NaN if unknown.",
    "ct/s",
    "phot.count;stat.mean",
)

NORM = Column("norm", "str", "Normalisation of the power: frac, leahy or abs.", ucd="meta.code")
FREQUENCY = Column(
    "frequency",
    "float64",
    "Mean frequency of the ordinates in each bin.",
    "Hz",
    "em.freq",
    array=True,
)
FREQUENCY_LO = Column(
    "frequency_lo",
    "float64",
    "Lower edge of each bin of the power spectrum.",
    "Hz",
    "em.freq;stat.min",
    array=True,
)
FREQUENCY_HI = Column(
    "frequency_hi",
    "float64",
    "Upper edge of each bin of the power spectrum.",
    "Hz",
    "em.freq;stat.max",
    array=True,
)
POWER = Column(
    "power",
    "float64",
    "Power in each bin, noise level included where it is known.",
    "",
    "stat.fourier",
    array=True,
)
POWER_ERR = Column(
    "power_err",
    "float64",
    "Error of the power, as given. SPECTRA has it only where n is unknown; CURVES has power "
    "/ sqrt(n) where n is known.",
    "",
    "stat.error;stat.fourier",
    array=True,
)
N = Column(
    "n",
    "float64",
    "Number of raw periodogram ordinates averaged in each bin (segments x bins); empty if unknown.",
    "",
    "meta.number",
    array=True,
)
NOISE = Column(
    "noise",
    "float64",
    "Expected noise level in units of power, NaN if unknown.",
    "",
    "stat.fourier",
)

SERIES = Column(
    "series",
    "str",
    "Name of the product without the length of its segments; where there is one length, that "
    "of the product.",
    ucd="meta.id",
)
EPOCH = Column(
    "epoch",
    "str",
    "Observation that the row is of, where the average of several observations is another "
    "product; else empty.",
    ucd="meta.id;obs",
)
SEGMENT_SIZE = Column("segment_size", "float64", "Length of a segment.", "s", "time.duration")
LONGEST_INTERVAL = Column(
    "longest_interval",
    "float64",
    "Longest good time interval, short gaps filled; NaN if unknown.",
    "s",
    "time.interval;stat.max",
)
M = Column("m", "int64", "Number of segments averaged.", ucd="meta.number", null=0)
TAPER = Column(
    "taper", "str", "Window of the segments: none, hann, dpss; empty if unknown.", ucd="meta.code"
)
DETREND = Column(
    "detrend",
    "str",
    "Function subtracted from each segment: constant, linear, quadratic; empty if unknown.",
    ucd="meta.code",
)
LEAKAGE_P = Column(
    "leakage_p",
    "float64",
    "Probability of at least the power measured without a window, if no power leaked from "
    "low frequencies.",
    "",
    "stat.probability",
)

RMS = Column(
    "rms",
    "float64",
    "Fractional rms over the frequencies of the spectrum, noise subtracted.",
    "",
    "src.var.amplitude",
)
RMS_LIMIT = Column(
    "rms_limit",
    "float64",
    "95 % upper limit of rms, where the variance is less than three times its error for "
    "noise alone.",
    ucd="src.var.amplitude;stat.max",
)
EXCESS_VARIANCE = Column(
    "excess_variance",
    "float64",
    "Normalised excess variance; may be negative.",
    "",
    "src.var",
)
EXCESS_VARIANCE_ERR = Column(
    "excess_variance_err",
    "float64",
    "Error of excess_variance (Vaughan et al. 2003, eq. 11).",
    "",
    "stat.error;src.var",
)
STATIONARITY_P = Column(
    "stationarity_p",
    "float64",
    "Probability that the power of a stationary source scatters as much between segments and "
    "observations.",
    "",
    "stat.probability",
)
VARIABILITY = (
    *with_errors(RMS),
    RMS_LIMIT,
    EXCESS_VARIANCE,
    EXCESS_VARIANCE_ERR,
    STATIONARITY_P,
)
"""How much a light curve varies, and whether in the same way throughout."""

PULSE = (
    *with_errors(
        Column(
            "pulse_frequency",
            "float64",
            "Frequency of the fundamental of a strictly periodic signal, in the middle of the "
            "observation.",
            "Hz",
            "em.freq;src.var.pulse",
        )
    ),
    *with_errors(
        Column(
            "pulsed_fraction",
            "float64",
            "Rms of the pulse over the mean rate, noise and known background subtracted.",
            "",
            "src.var.amplitude",
        )
    ),
    Column(
        "pulse_h",
        "float64",
        "H statistic of the pulse (de Jager & Buesching 2010), of powers over the local level.",
        "",
        "stat.value",
    ),
    Column(
        "pulse_harmonics",
        "int32",
        "Number of harmonics in pulse_h and pulsed_fraction.",
        ucd="meta.number",
        null=0,
    ),
    Column(
        "pulse_p_value",
        "float64",
        "Probability that phases agree as well without a pulse, at any of the frequencies "
        "searched.",
        "",
        "stat.probability",
    ),
)
"""The most significant strictly periodic signal."""
