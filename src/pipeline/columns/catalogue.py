"""Tables that the merge makes: sources, their epochs, and what could not be used."""

from pipeline.columns.base import Column, Table, with_errors
from pipeline.columns.fitted import (
    BEND_FREQUENCY,
    DELTA_BIC,
    DEVIANCE,
    MODEL,
    N_BINS,
    N_FREE,
    NU_MAX,
    OUTLIER_FREQUENCY,
    OUTLIER_P_VALUE,
    QPO_FREQUENCY,
    QPO_FWHM,
    QPO_Q,
    QPO_RMS,
    SLOPE,
    STATISTIC,
    T_SSE_P_VALUE,
)
from pipeline.columns.power import (
    DETREND,
    LEAKAGE_P,
    LONGEST_INTERVAL,
    MEAN_RATE,
    NOISE,
    NORM,
    PULSE,
    SEGMENT_SIZE,
    TAPER,
    VARIABILITY,
    M,
)
from pipeline.columns.shared import (
    BAND_HI,
    BAND_LO,
    DEC,
    EXPOSURE,
    FILE,
    FLAGS,
    INSTRUMENT,
    KIND,
    MISSION,
    MJD_START,
    MJD_STOP,
    N_DROPPED,
    N_OBSERVATIONS,
    OBJECT,
    OBSERVATION_ID,
    PRODUCT,
    RA,
    REASON,
    SOURCE_ID,
    STATUS,
)

FITTED = ("slope", "bend_frequency", "nu_max", "qpo_frequency", "qpo_fwhm", "qpo_q", "qpo_rms")
"""Columns of SOURCES with errors from a fit, which have limits and say where their interval is open."""


def _fitted(column: Column) -> tuple[Column, ...]:
    """Return a column, its errors, whether its interval is open, and its limit."""
    name = column.name
    sides = ("lo", "lower"), ("hi", "upper")
    return (
        *with_errors(column),
        *(
            Column(
                f"{name}_open_{end}",
                "bool",
                f"Whether the 68.3 % interval of {name} has no {side} end; {name}_err_{end} is then null.",
                ucd="meta.code",
                of=name,
            )
            for end, side in sides
        ),
        Column(
            f"{name}_limit",
            "float64",
            f"Limit of {name} at fit.upper_limit: a lower limit where {name}_open_hi, else an upper limit; "
            "null where the interval is closed and away from its bounds.",
            column.unit,
            f"stat.value;{column.ucd}",
        ),
    )


def _is_limit(test: str, method: str = "") -> Column:
    """Return the column that says whether the p-value of a test is a limit."""
    where = f" ({method} is `below`)" if method else ""
    return Column(
        f"{test}_p_is_limit",
        "bool",
        f"Whether {test}_p_value is an upper limit{where}, because no simulation came near.",
        ucd="meta.code",
        of=f"{test}_p_value",
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
        OBSERVATION_ID,
        N_OBSERVATIONS,
        N_DROPPED,
        Column(
            "n_files",
            "int32",
            "Number of files of the source in OBSERVATIONS.",
            ucd="meta.number;meta.file",
        ),
        Column(
            "n_products",
            "int32",
            "Number of products of the source that were fitted.",
            ucd="meta.number",
        ),
        MJD_START,
        MJD_STOP,
        PRODUCT,
        KIND,
        BAND_LO,
        BAND_HI,
        EXPOSURE,
        SEGMENT_SIZE,
        LONGEST_INTERVAL,
        TAPER,
        DETREND,
        LEAKAGE_P,
        M,
        N_BINS,
        NORM,
        MEAN_RATE,
        NOISE,
        *VARIABILITY,
        *PULSE,
        MODEL,
        Column(
            "runner_up",
            "str",
            "Second best model, or the chosen one with or without one component.",
            ucd="meta.id;stat.fit",
        ),
        DELTA_BIC,
        STATISTIC,
        DEVIANCE,
        N_FREE,
        *_fitted(SLOPE),
        *_fitted(BEND_FREQUENCY),
        *_fitted(NU_MAX),
        *_fitted(QPO_FREQUENCY),
        *_fitted(QPO_FWHM),
        *_fitted(QPO_Q),
        *_fitted(QPO_RMS),
        Column(
            "qpo_product",
            "str",
            "Product (band) of the QPO: the one with the best evidence.",
            ucd="meta.id.part",
        ),
        Column("qpo_rival", "str", "Next most prominent narrow component.", ucd="meta.id.part"),
        Column(
            "qpo_rival_ratio",
            "float64",
            "Rms of the rival over that of the QPO; NaN where there is no rival.",
            "",
            "src.var.amplitude;arith.ratio",
        ),
        Column(
            "qpo_harmonics",
            "str",
            "Narrow Lorentzians at a harmonic or sub-harmonic of the QPO, within errors.",
            "",
            "meta.id.part",
            True,
        ),
        Column(
            "qpo_harmonic_ratios",
            "float64",
            "Ratios of their frequencies to that of the QPO: 1/3, 1/2, 2, 3 or 4.",
            "",
            "em.freq;arith.ratio",
            True,
        ),
        Column(
            "qpo_p_component",
            "str",
            "Component that was tested against the model without it; empty where one more peak was "
            "tested.",
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
            "Calibrated p-value of the QPO, or of one more peak where there is none, of all products "
            "(bands) together; NaN where it was not computed, or is that of another peak: see "
            "qpo_p_frequency.",
            "",
            "stat.probability",
        ),
        Column(
            "qpo_p_trials",
            "int32",
            "Number of products (bands, lengths of segments) whose p-values qpo_p_value combines.",
            ucd="meta.number",
            of="qpo_p_value",
        ),
        Column(
            "qpo_p_product",
            "float64",
            "p-value of the product of the QPO by itself.",
            "",
            "stat.probability",
        ),
        Column(
            "qpo_p_error",
            "float64",
            "Standard error of log10 of qpo_p_value; NaN where that is a limit.",
            "",
            "stat.error;stat.probability",
        ),
        Column(
            "qpo_p_method",
            "str",
            "How qpo_p_value was found: simulated, sequential, extrapolated, or below (it is a "
            "limit).",
            ucd="meta.code",
        ),
        _is_limit("qpo", "qpo_p_method"),
        Column(
            "qpo_q_value",
            "float64",
            "Smallest false-discovery rate in the catalogue at which the QPO is significant; NaN "
            "without a QPO.",
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
            "Smallest false-discovery rate in the catalogue at which the outlier is significant.",
            "",
            "stat.probability",
        ),
        Column(
            "n_epochs",
            "int32",
            "Number of observations with rows of their own in EPOCHS.",
            ucd="meta.number;obs",
        ),
        Column(
            "epoch_best",
            "str",
            "Observation with the smallest p-value of a peak; empty where no peak was tested.",
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
    "One power spectrum a row: a source, a band, and one observation or the average of several.",
    tuple(c for c in SOURCES.columns if c.name not in _OF_A_SOURCE),
    key=("source_id", "product"),
)

REJECTED = Table(
    "REJECTED",
    "What could not be used, where and why. A file may have one row for each stage.",
    (
        FILE,
        SOURCE_ID,
        Column("stage", "str", "Stage that could not use it.", ucd="meta.code"),
        STATUS,
        REASON,
    ),
    key=("file", "source_id", "stage"),
)
