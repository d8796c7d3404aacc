"""Tables of the fits: models, their parameters, curves for plots and draws."""

from pipeline.columns.base import Column, Table
from pipeline.columns.fitted import (
    BEST,
    COMPONENT,
    COMPONENTS,
    DELTA_BIC,
    DEVIANCE,
    ESS_BULK,
    ESS_TAIL,
    MODEL,
    N_BINS,
    N_FREE,
    OUTLIER_FREQUENCY,
    OUTLIER_P_VALUE,
    PARAMETER,
    R_HAT,
    STATISTIC,
    T_SSE_P_VALUE,
    UNIT,
)
from pipeline.columns.power import FREQUENCY_HI, FREQUENCY_LO, NORM, POWER, POWER_ERR
from pipeline.columns.shared import FLAGS, PRODUCT, REASON, SOURCE_ID, STATUS


def _p_value(name: str, p_value: Column) -> tuple[Column, Column, Column]:
    """Return the column of a p-value by simulation, that of its error, and how it was found."""
    return (
        p_value,
        Column(
            f"{name}_p_error",
            "float64",
            "Standard error of log10 of that; NaN where it is a limit.",
            "",
            "stat.error;stat.probability",
        ),
        Column(
            f"{name}_method",
            "str",
            "How it was found: simulated, sequential, extrapolated, below (it is an upper limit), or none.",
            ucd="meta.code",
        ),
    )


EVIDENCE = (
    Column(
        "log_evidence",
        "float64",
        "Logarithm of the integral of likelihood times prior; NaN where not computed.",
        "",
        "stat.likelihood",
    ),
    Column(
        "log_evidence_err",
        "float64",
        "Its Monte-Carlo error.",
        "",
        "stat.error",
    ),
    Column(
        "log_evidence_laplace",
        "float64",
        "The same from the curvature at the best fit alone.",
        "",
        "stat.likelihood",
    ),
    Column(
        "pareto_k",
        "float64",
        "Tail shape of the importance weights: above 0.7 the evidence is not reliable.",
        "",
        "stat.fit.goodness",
    ),
    Column(
        "ess",
        "float64",
        "Independent draws that the weighted ones are worth.",
        "",
        "stat.value",
    ),
    Column(
        "probability",
        "float64",
        "Probability of the model among those of the product, equal before; NaN where unknown.",
        "",
        "stat.probability",
    ),
)
"""What importance sampling says of a model (`fit.evidence`)."""

CHAINS = (
    R_HAT,
    ESS_BULK,
    ESS_TAIL,
)
"""What the chains of its parameters say of a model (`fit.samples`)."""

DETECTION = (
    Column(
        "lrt_component",
        "str",
        "Component tested against the model without it; empty where one more was.",
        ucd="meta.id.part",
    ),
    Column(
        "lrt_frequency",
        "float64",
        "Centroid of the peak that was tested, where it lowers -2 ln L most.",
        "Hz",
        "em.freq",
    ),
    Column(
        "lrt_fwhm",
        "float64",
        "Its full width at half maximum.",
        "Hz",
        "em.freq;spect.line.width",
    ),
    Column(
        "lrt_ratio",
        "float64",
        "Fall of -2 ln L when the tested peak joins the model; NaN where not tested.",
        "",
        "stat.likelihood",
    ),
    Column(
        "lrt_p_value",
        "float64",
        "Probability of that fall or more without the peak, from simulations.",
        "",
        "stat.probability",
    ),
    Column(
        "lrt_p_error",
        "float64",
        "Standard error of log10 of the p-value; NaN where that is a limit.",
        "",
        "stat.error;stat.probability",
    ),
    Column("lrt_draws", "int32", "Simulations fitted.", ucd="meta.number", of="lrt_ratio"),
    Column(
        "lrt_reached",
        "int32",
        "Simulations that reached the ratio.",
        ucd="meta.number",
        of="lrt_ratio",
    ),
    Column(
        "lrt_failed",
        "int32",
        "Simulations whose fit failed.",
        ucd="meta.number",
        of="lrt_ratio",
    ),
    Column(
        "lrt_method",
        "str",
        "How the p-value was found: simulated, sequential, extrapolated, or below (it is an upper limit).",
        ucd="meta.code",
    ),
    Column(
        "limit_frequency",
        "float64",
        "Frequencies at which a peak that was not found is limited.",
        "Hz",
        "em.freq",
        array=True,
        vector=True,
    ),
    Column(
        "limit_rms",
        "float64",
        "Upper limits of its fractional rms there; NaN where the mean rate is unknown.",
        "",
        "src.var.amplitude;stat.max",
        array=True,
        vector=True,
    ),
)
"""The test of a peak, and the limits of peaks that were not found (`fit.detection`)."""

T_R_P_VALUE = Column(
    "t_r_p_value",
    "float64",
    "Probability of T_R or more where the model is true, from simulations.",
    "",
    "stat.probability",
)
OUTLIERS = (
    Column(
        "t_r",
        "float64",
        "Largest -2 ln of the tail probability of a bin: 2 I / S where n = 1 (Vaughan 2010).",
        "",
        "stat.fit.residual;stat.max",
    ),
    *_p_value("t_r", T_R_P_VALUE),
    Column(
        "t_sse",
        "float64",
        "Sum of n (I / S - 1)^2 over bins (Vaughan 2010, where n = 1); NaN where not checked.",
        "",
        "stat.fit.residual",
    ),
    *_p_value("t_sse", T_SSE_P_VALUE),
    Column(
        "t_sse_low_p_value",
        "float64",
        "Probability of T_SSE or less: where it is small, the fit is better than the data allow.",
        "",
        "stat.probability",
    ),
    Column(
        "outlier_t_r",
        "float64",
        "T_R of the highest window of bins, of all at fit.outliers.scales.",
        "",
        "stat.fit.residual;stat.max",
    ),
    OUTLIER_FREQUENCY,
    Column("outlier_width", "float64", "Width of that window.", "Hz", "spect.line.width"),
    Column("outlier_bins", "int32", "Bins in that window.", ucd="meta.number", of="outlier_t_r"),
    Column(
        "outlier_trials",
        "int32",
        "Windows that were searched.",
        ucd="meta.number",
        of="outlier_t_r",
    ),
    *_p_value("outlier", OUTLIER_P_VALUE),
    Column(
        "outlier_p_trials",
        "float64",
        "The same as if the model were known and windows did not overlap: 1 - (1 - q)^trials.",
        "",
        "stat.probability",
    ),
    Column("check_draws", "int32", "Simulations fitted for these.", ucd="meta.number", of="t_sse"),
    Column("check_failed", "int32", "Simulations whose fit failed.", ucd="meta.number", of="t_sse"),
    Column(
        "check_origin",
        "str",
        "What their parameters were drawn from: posterior, gaussian, fit, or none.",
        ucd="meta.code",
    ),
)
"""Checks of a model by simulation, and its highest outlier (`fit.outliers`)."""

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
        *EVIDENCE,
        *CHAINS,
        *DETECTION,
        *OUTLIERS,
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

SAMPLES = Table(
    "SAMPLES",
    "Draws from the posterior of the chosen model, for selected sources: one free parameter a row.",
    (
        SOURCE_ID,
        PRODUCT,
        MODEL,
        COMPONENT,
        PARAMETER,
        UNIT,
        Column(
            "scale",
            "str",
            "Scale, log or linear, on which the prior is flat unless stated.",
            ucd="meta.code",
        ),
        R_HAT,
        ESS_BULK,
        ESS_TAIL,
        Column(
            "n_chains",
            "int32",
            "Number of chains, which follow one another in the draws.",
            ucd="meta.number",
        ),
        Column(
            "value",
            "float64",
            "Draws of equal weight, the k-th of all parameters together; empty if there is no "
            "posterior.",
            "",
            "stat.param",
            True,
        ),
    ),
    key=("source_id", "product", "model", "component", "parameter"),
)
