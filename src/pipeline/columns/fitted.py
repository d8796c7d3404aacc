"""Columns of a fitted model, and of what was measured or injected with one."""

from pipeline.columns.base import Column

MODEL = Column("model", "str", "Name of the model in the configuration.", ucd="meta.id;stat.fit")
COMPONENTS = Column(
    "components",
    "str",
    "Components of the model, numbered in order.",
    ucd="meta.id.part",
    array=True,
)
COMPONENT = Column(
    "component",
    "str",
    "Component, with its number: lorentzian.1; a blend joins its members with +.",
    ucd="meta.id.part",
)
PARAMETER = Column("parameter", "str", "Parameter of the component.", ucd="meta.id.part;stat.param")
UNIT = Column(
    "unit", "str", "Unit of the values, and of their errors and limits.", ucd="meta.unit", null=None
)
BEST = Column("best", "bool", "Whether the model was chosen for the product.", ucd="meta.code")
N_BINS = Column(
    "n_bins", "int32", "Number of frequency bins fitted.", ucd="meta.number", of="model"
)
N_FREE = Column(
    "n_free", "int32", "Number of free parameters of the model.", ucd="stat.fit.dof", of="statistic"
)
STATISTIC = Column(
    "statistic",
    "float64",
    "-2 ln L at the best fit of the model, all constants included.",
    "",
    "stat.likelihood",
)
DEVIANCE = Column(
    "deviance",
    "float64",
    "-2 ln L minus that of the saturated model.",
    "",
    "stat.fit.goodness",
)
DELTA_BIC = Column(
    "delta_bic",
    "float64",
    "BIC minus that of the chosen model; in SOURCES and EPOCHS, of the runner-up. Null where "
    "no model has a result.",
    "",
    "stat.fit.param",
)

R_HAT = Column(
    "r_hat",
    "float64",
    "Rank-normalised split R-hat of the chains of a parameter; in MODELS, the largest. NaN "
    "where no chains were run.",
    "",
    "stat.fit.goodness",
)
ESS_BULK = Column(
    "ess_bulk",
    "float64",
    "Effective number of draws for the middle of a parameter's distribution; in MODELS, the least.",
    "",
    "stat.value",
)
ESS_TAIL = Column(
    "ess_tail",
    "float64",
    "Effective number of draws for the 5 % and 95 % quantiles of a parameter; in MODELS, the "
    "least.",
    "",
    "stat.value",
)

T_SSE_P_VALUE = Column(
    "t_sse_p_value",
    "float64",
    "Probability of T_SSE or more if the model is true, from simulations: how well the model fits.",
    "",
    "stat.probability",
)
OUTLIER_FREQUENCY = Column(
    "outlier_frequency",
    "float64",
    "Middle of the window of bins that is highest over the model; NaN where not searched.",
    "Hz",
    "em.freq",
)
OUTLIER_P_VALUE = Column(
    "outlier_p_value",
    "float64",
    "Probability of such a window anywhere in the spectrum if the model is true, from simulations.",
    "",
    "stat.probability",
)

SLOPE = Column(
    "slope",
    "float64",
    "Slope of the power law (of the upper part, if it bends).",
    "",
    "stat.param",
)
BEND_FREQUENCY = Column(
    "bend_frequency", "float64", "Bend frequency of the power law.", "Hz", "em.freq"
)
NU_MAX = Column(
    "nu_max", "float64", "Frequency of maximum power of solar-like oscillations.", "Hz", "em.freq"
)
QPO_FREQUENCY = Column(
    "qpo_frequency",
    "float64",
    "Centroid of the QPO: the most prominent Lorentzian, or blend of them, with Q > 2.",
    "Hz",
    "em.freq;src.var.pulse",
)
QPO_FWHM = Column(
    "qpo_fwhm",
    "float64",
    "Full width at half maximum of the QPO.",
    "Hz",
    "em.freq;spect.line.width",
)
QPO_Q = Column("qpo_q", "float64", "Quality factor of the QPO, frequency / fwhm.", "", "stat.param")
QPO_RMS = Column(
    "qpo_rms",
    "float64",
    "Fractional rms of the QPO over all positive frequencies; null where the mean rate is unknown.",
    "",
    "src.var.amplitude",
)
