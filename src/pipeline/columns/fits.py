"""Tables of the fits: models with what the analyses found of them, their parameters, and curves for plots."""

from pipeline.columns.base import Column, Table
from pipeline.columns.fitted import (
    BEST,
    COMPONENT,
    COMPONENTS,
    DELTA_BIC,
    DEVIANCE,
    MODEL,
    N_BINS,
    N_FREE,
    PARAMETER,
    STATISTIC,
    UNIT,
)
from pipeline.columns.power import FREQUENCY_HI, FREQUENCY_LO, NORM, POWER, POWER_ERR
from pipeline.columns.shared import FLAGS, PRODUCT, REASON, SOURCE_ID, STATUS
from pipeline.fit.analyses import ANALYSES

MODELS = Table(
    "MODELS",
    "One fit a row: a source, a product and a model.",
    (
        SOURCE_ID,
        PRODUCT,
        MODEL,
        BEST,
        STATUS,
        FLAGS,
        REASON,
        NORM,
        COMPONENTS,
        N_BINS,
        N_FREE,
        STATISTIC,
        DEVIANCE,
        Column("aic", "float64", "Akaike information criterion.", "", "stat.fit.param"),
        Column(
            "bic",
            "float64",
            "Bayesian information criterion; its sample size is the number of raw periodogram ordinates.",
            "",
            "stat.fit.param",
        ),
        DELTA_BIC,
        Column(
            "rival_components",
            "str",
            "Components of the decomposition that came closest to this one; empty where there was "
            "none.",
            ucd="meta.id.part",
            array=True,
        ),
        Column(
            "rival_delta_bic",
            "float64",
            "BIC of that decomposition minus that of this fit; NaN where there was none.",
            "",
            "stat.fit.param",
        ),
        *(column for analysis in ANALYSES for column in analysis.columns),
        Column(
            "n_iterations",
            "int32",
            "Number of iterations of the optimiser.",
            ucd="meta.number",
            of="statistic",
        ),
        Column(
            "parameter_names",
            "str",
            "Free parameters in the order of the covariance.",
            ucd="meta.id.part",
            array=True,
        ),
        Column(
            "covariance",
            "float64",
            "Covariance of the free parameters, row by row; of those fitted as logarithms, of the "
            "logarithm.",
            "",
            "stat.covariance",
            True,
        ),
    ),
    key=("source_id", "product", "model"),
)

PARAMETERS = Table(
    "PARAMETERS",
    "One parameter of a fit a row.",
    (
        SOURCE_ID,
        PRODUCT,
        MODEL,
        COMPONENT,
        PARAMETER,
        Column("value", "float64", "Best-fit value.", "", "stat.fit.param"),
        Column(
            "err_lo",
            "float64",
            "Lower 68.3 % error; NaN where there is none, or the interval is open below.",
            "",
            "stat.error;stat.fit.param",
        ),
        Column(
            "err_hi",
            "float64",
            "Upper 68.3 % error; NaN where there is none, or the interval is open above.",
            "",
            "stat.error;stat.fit.param",
        ),
        Column(
            "error_method",
            "str",
            "How the errors were found: observed, fisher, sandwich (covariance), profile or none.",
            ucd="meta.code",
        ),
        Column(
            "open_lo",
            "bool",
            "Whether the 68.3 % interval reaches the lower bound.",
            ucd="meta.code",
        ),
        Column(
            "open_hi",
            "bool",
            "Whether the 68.3 % interval reaches the upper bound.",
            ucd="meta.code",
        ),
        Column(
            "upper_limit",
            "float64",
            "Upper limit (at fit.upper_limit) of the amplitude of a weak component, or of a "
            "parameter whose interval is open below; else NaN.",
            "",
            "stat.fit.param;stat.max",
        ),
        Column(
            "lower_limit",
            "float64",
            "Lower limit (at fit.upper_limit) of a parameter whose interval is open above; else NaN.",
            "",
            "stat.fit.param;stat.min",
        ),
        Column(
            "interval_lo",
            "float64",
            "Lower ends of the profile intervals at fit.levels, NaN where open; empty if there are "
            "none.",
            "",
            "stat.fit.param;stat.min",
            array=True,
            vector=True,
        ),
        Column(
            "interval_hi",
            "float64",
            "Upper ends of the profile intervals at fit.levels, NaN where open; empty if there are "
            "none.",
            "",
            "stat.fit.param;stat.max",
            array=True,
            vector=True,
        ),
        UNIT,
        Column("free", "bool", "Whether the parameter was free in the fit.", ucd="meta.code"),
        Column(
            "derived",
            "bool",
            "Whether the value was computed from fitted parameters.",
            ucd="meta.code",
        ),
        Column("at_bound", "bool", "Whether the parameter ended at its bound.", ucd="meta.code"),
        BEST,
    ),
    key=("source_id", "product", "model", "component", "parameter"),
)

CURVES = Table(
    "CURVES",
    "The power spectrum of a source and product with the chosen model, for plots.",
    (
        SOURCE_ID,
        PRODUCT,
        MODEL,
        NORM,
        COMPONENTS,
        FREQUENCY_LO,
        FREQUENCY_HI,
        POWER,
        POWER_ERR,
        Column(
            "model_power",
            "float32",
            "Power of the model, the sum of all components.",
            "",
            "stat.fit",
            True,
        ),
        Column(
            "component_power",
            "float32",
            "Power of each component in turn, one after the other.",
            "",
            "stat.fit",
            True,
        ),
    ),
    key=("source_id", "product"),
)
