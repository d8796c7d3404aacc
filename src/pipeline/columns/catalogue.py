"""Tables that the merge makes: sources, their epochs, and what could not be used."""

from pipeline.columns.base import Column, Table, measured
from pipeline.columns.shared import (
    BAND_HI,
    BAND_LO,
    DEC,
    DETREND,
    EXPOSURE,
    FILE,
    FLAGS,
    INSTRUMENT,
    KIND,
    LEAKAGE_P,
    LONGEST_INTERVAL,
    MISSION,
    MODEL,
    N_DROPPED,
    NORM,
    OBJECT,
    OUTLIER_FREQUENCY,
    OUTLIER_P_VALUE,
    PRODUCT,
    PULSE,
    RA,
    REASON,
    RMS_LIMIT,
    SOURCE_ID,
    STATIONARITY_P,
    STATUS,
    T_SSE_P_VALUE,
    TAPER,
)

FITTED = ("slope", "bend_frequency", "qpo_frequency", "qpo_fwhm", "qpo_q", "qpo_rms")
"""Columns of SOURCES with errors from a fit, which have limits and say where their interval is open."""


def _fitted(name, unit, ucd, description):
    """A value with its errors, whether its interval is open, and what is known then."""
    side = "no lower end: its err_lo is null", "no upper end: its err_hi is null"
    return (
        *measured(name, unit, ucd, description),
        *(
            Column(
                f"{name}_open_{end}",
                "bool",
                f"Whether the 68.3 % interval of {name} has {what}.",
                ucd="meta.code",
                of=name,
            )
            for end, what in zip(("lo", "hi"), side, strict=True)
        ),
        Column(
            f"{name}_limit",
            "float64",
            f"Limit of {name} at fit.upper_limit: a lower one where {name}_open_hi, else an upper one; "
            "null where the interval is closed and wide of its bounds.",
            unit,
            f"stat.value;{ucd}",
        ),
    )


def _is_limit(name, method=""):
    """Whether a p-value is a limit."""
    told = f" ({method} is `below`)" if method else ""
    return Column(
        f"{name}_p_is_limit",
        "bool",
        f"Whether {name}_p_value is an upper limit{told}: no simulation came near.",
        ucd="meta.code",
        of=f"{name}_p_value",
    )


SOURCES = Table(
    "SOURCES",
    "One source a row: its best model and what is measured from it.",
    (
        SOURCE_ID,
        OBJECT,
        MISSION,
        INSTRUMENT,
        RA,
        DEC,
        STATUS,
        FLAGS,
        REASON,
        Column(
            "observation_id",
            "str",
            "Identifier of the observation; of the first where several were averaged.",
            ucd="meta.id;obs",
        ),
        Column(
            "n_observations",
            "int32",
            "Observations of the source that were used.",
            ucd="meta.number;obs",
        ),
        N_DROPPED,
        Column(
            "n_files", "int32", "Files of the source in OBSERVATIONS.", ucd="meta.number;meta.file"
        ),
        Column(
            "n_products", "int32", "Products of the source that were fitted.", ucd="meta.number"
        ),
        Column("mjd_start", "float64", "Start (MJD), NaN if unknown.", "d", "time.start"),
        Column("mjd_stop", "float64", "End (MJD), NaN if unknown.", "d", "time.end"),
        PRODUCT,
        KIND,
        BAND_LO,
        BAND_HI,
        EXPOSURE,
        Column("segment_size", "float64", "Length of a segment.", "s", "time.duration"),
        LONGEST_INTERVAL,
        TAPER,
        DETREND,
        LEAKAGE_P,
        Column("m", "int64", "Number of segments averaged.", ucd="meta.number", null=0),
        Column("n_bins", "int32", "Frequency bins fitted.", ucd="meta.number", of="model"),
        NORM,
        Column(
            "mean_rate", "float64", "Mean rate, NaN if unknown.", "ct/s", "phot.count;stat.mean"
        ),
        Column(
            "noise",
            "float64",
            "Expected noise level in units of power, NaN if unknown.",
            "",
            "stat.fourier",
        ),
        *measured("rms", "", "src.var.amplitude", "Fractional rms, noise subtracted."),
        RMS_LIMIT,
        Column(
            "excess_variance",
            "float64",
            "Normalised excess variance; may be negative.",
            "",
            "src.var",
        ),
        Column(
            "excess_variance_err",
            "float64",
            "Its error (Vaughan et al. 2003, eq. 11).",
            "",
            "stat.error;src.var",
        ),
        STATIONARITY_P,
        *PULSE,
        MODEL,
        Column(
            "runner_up",
            "str",
            "Second best model, or the chosen one with or without a component.",
            ucd="meta.id;stat.fit",
        ),
        Column(
            "delta_bic",
            "float64",
            "BIC of the runner-up less that of the chosen model.",
            "",
            "stat.fit.param",
        ),
        Column("statistic", "float64", "-2 ln L of the chosen model.", "", "stat.likelihood"),
        Column(
            "deviance",
            "float64",
            "-2 ln L less that of the saturated model.",
            "",
            "stat.fit.goodness",
        ),
        Column(
            "n_free",
            "int32",
            "Free parameters of the chosen model.",
            ucd="stat.fit.dof",
            of="model",
        ),
        *_fitted(
            "slope", "", "stat.param", "Slope of the power law (of the upper part, if it bends)."
        ),
        *_fitted("bend_frequency", "Hz", "em.freq", "Bend frequency of the power law."),
        *_fitted(
            "nu_max", "Hz", "em.freq", "Frequency of maximum power of solar-like oscillations."
        ),
        *_fitted(
            "qpo_frequency",
            "Hz",
            "em.freq;src.var.pulse",
            "Centroid of the most prominent Lorentzian, or blend of them, with Q > 2.",
        ),
        *_fitted("qpo_fwhm", "Hz", "em.freq;spect.line.width", "Its full width at half maximum."),
        *_fitted("qpo_q", "", "stat.param", "Its quality factor, frequency / fwhm."),
        *_fitted(
            "qpo_rms",
            "",
            "src.var.amplitude",
            "Its fractional rms; null where the mean rate is unknown.",
        ),
        Column(
            "qpo_product",
            "str",
            "Product (band) that the QPO is of: the one with the best evidence.",
            ucd="meta.id.part",
        ),
        Column("qpo_rival", "str", "The next most prominent narrow component.", ucd="meta.id.part"),
        Column(
            "qpo_rival_ratio",
            "float64",
            "Its rms over that of the QPO; NaN where there is none.",
            "",
            "src.var.amplitude;arith.ratio",
        ),
        Column(
            "qpo_harmonics",
            "str",
            "Narrow Lorentzians at a harmonic or sub-harmonic of it, within errors.",
            "",
            "meta.id.part",
            True,
        ),
        Column(
            "qpo_harmonic_ratios",
            "float64",
            "Ratios of their frequencies to it: 1/3, 1/2, 2, 3 or 4.",
            "",
            "em.freq;arith.ratio",
            True,
        ),
        Column(
            "qpo_p_component",
            "str",
            "Component that was tested against the model without it; empty where one more peak was.",
            ucd="meta.id.part",
        ),
        Column(
            "qpo_p_frequency",
            "float64",
            "Centroid of the peak that was tested.",
            "Hz",
            "em.freq",
        ),
        Column(
            "qpo_p_value",
            "float64",
            "Calibrated p-value of the QPO, or of one more peak where there is none, of all products (bands) "
            "together; NaN where not computed, or of another peak: see qpo_p_frequency.",
            "",
            "stat.probability",
        ),
        Column(
            "qpo_p_trials",
            "int32",
            "Products (bands, lengths of segments) whose p-values it combines.",
            ucd="meta.number",
            of="qpo_p_value",
        ),
        Column(
            "qpo_p_product",
            "float64",
            "The p-value of the product that the QPO is of, by itself.",
            "",
            "stat.probability",
        ),
        Column(
            "qpo_p_error",
            "float64",
            "Standard error of log10 of the p-value; NaN where that is a limit.",
            "",
            "stat.error;stat.probability",
        ),
        Column(
            "qpo_p_method",
            "str",
            "How it was found: simulated, sequential, extrapolated, or below (it is a limit).",
            ucd="meta.code",
        ),
        _is_limit("qpo", "qpo_p_method"),
        Column(
            "qpo_q_value",
            "float64",
            "Least false-discovery rate in the catalogue at which the QPO is significant; NaN without one.",
            "",
            "stat.probability",
        ),
        T_SSE_P_VALUE,
        _is_limit("t_sse"),
        OUTLIER_FREQUENCY,
        OUTLIER_P_VALUE,
        _is_limit("outlier"),
        Column(
            "outlier_q_value",
            "float64",
            "Least false-discovery rate in the catalogue at which the outlier is significant.",
            "",
            "stat.probability",
        ),
        Column(
            "n_epochs",
            "int32",
            "Observations with rows of their own in EPOCHS.",
            ucd="meta.number;obs",
        ),
        Column(
            "epoch_best",
            "str",
            "Observation with the smallest p-value of a peak; empty where none was tested.",
            ucd="meta.id;obs",
        ),
        Column(
            "epoch_p_value",
            "float64",
            "p-value of a peak, of all observations and bands in EPOCHS together.",
            "",
            "stat.probability",
        ),
    ),
    key=("source_id",),
)

_OF_A_SOURCE = frozenset(
    {
        *("ra", "dec", "n_files", "n_products", "n_epochs", "epoch_best", "epoch_p_value"),
        *("qpo_product", "qpo_p_trials", "qpo_p_product", "outlier_q_value"),
    }
)
"""Columns of SOURCES that say nothing of one power spectrum."""

EPOCHS = Table(
    "EPOCHS",
    "One power spectrum a row: a source, a band, and an observation or the average of several.",
    tuple(c for c in SOURCES.columns if c.name not in _OF_A_SOURCE),
    key=("source_id", "product"),
)

REJECTED = Table(
    "REJECTED",
    "What could not be used, where and why. A file may have a row a stage.",
    (
        FILE,
        SOURCE_ID,
        Column("stage", "str", "Stage that gave up on it.", ucd="meta.code"),
        STATUS,
        REASON,
    ),
    key=("file", "source_id", "stage"),
)
