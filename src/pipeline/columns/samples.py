"""The table of draws from posteriors: the analysis `samples` of the fit writes it, the catalogue publishes it."""

from pipeline.columns.base import Column, Table
from pipeline.columns.fitted import COMPONENT, ESS_BULK, ESS_TAIL, MODEL, PARAMETER, R_HAT, UNIT
from pipeline.columns.shared import PRODUCT, SOURCE_ID

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
