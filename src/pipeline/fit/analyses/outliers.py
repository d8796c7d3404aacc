"""Does the chosen model describe its spectrum? See `pipeline.fit.significance.predictive`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.columns.base import Column
from pipeline.columns.fitted import OUTLIER_FREQUENCY, OUTLIER_P_VALUE, T_SSE_P_VALUE
from pipeline.config.base import Count, Fraction, Options
from pipeline.fit.analyses.base import Analysis, Findings, Subject
from pipeline.fit.tables.seeds import Purpose
from pipeline.status import Flag

if TYPE_CHECKING:
    from pipeline.fit.significance.predictive import Check


class OutlierOptions(Options):
    """Checks of the chosen model against simulations, and the search for its highest outlier."""

    scales: list[Count] = Field(
        default_factory=lambda: [1, 2, 4, 8, 16],
        description="Numbers of neighbouring frequency bins that are searched together; 1 is always among "
        "them.",
    )
    draws: Count = Field(
        1000,
        description="Largest number of spectra drawn from the posterior, for each source and product.",
    )
    enough: Count = Field(
        20,
        description="Number of draws with a statistic as large as that of the data, for each statistic, at "
        "which the simulation ends.",
    )
    seed: int = Field(1, ge=0, description="Seed of the draws, together with the source's name.")
    alpha: Fraction = Field(
        0.001,
        description="Largest p-value of T_SSE at which the flag POOR_FIT is set, and largest p-value of as "
        "small a T_SSE at which TOO_GOOD_FIT is set.",
    )


def _p_value(name: str, p_value: Column) -> tuple[Column, Column, Column]:
    """Return the column of a p-value by simulation, that of its error, and how it was found."""
    return (
        p_value,
        Column(
            f"{name}_p_error",
            "float64",
            f"Standard error of log10 of {p_value.name}; NaN where that is a limit.",
            "",
            "stat.error;stat.probability",
        ),
        Column(
            f"{name}_method",
            "str",
            f"How {p_value.name} was found: simulated, sequential, extrapolated, below (it is an upper limit), or none.",
            ucd="meta.code",
        ),
    )


T_R_P_VALUE = Column(
    "t_r_p_value",
    "float64",
    "Probability of T_R or more where the model is true, from simulations.",
    "",
    "stat.probability",
)


class Outliers(Analysis):
    """Posterior-predictive checks of the chosen model, and its highest outlier."""

    name = "outliers"
    simulates = True
    options = OutlierOptions
    description = (
        "Check whether the chosen model describes the spectrum, and search its highest outlier; "
        "null: none. Fills `t_sse_p_value`, `outlier_p_value` and `outlier_q_value`."
    )
    columns = (
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
            "Probability of T_SSE or less; where it is small, the fit is better than the data allow.",
            "",
            "stat.probability",
        ),
        Column(
            "outlier_t_r",
            "float64",
            "T_R of the highest window of bins, among windows of all widths in fit.outliers.scales.",
            "",
            "stat.fit.residual;stat.max",
        ),
        OUTLIER_FREQUENCY,
        Column(
            "outlier_width", "float64", "Width of the highest window.", "Hz", "spect.line.width"
        ),
        Column(
            "outlier_bins",
            "int32",
            "Number of bins in the highest window.",
            ucd="meta.number",
            of="outlier_t_r",
        ),
        Column(
            "outlier_trials",
            "int32",
            "Number of windows that were searched.",
            ucd="meta.number",
            of="outlier_t_r",
        ),
        *_p_value("outlier", OUTLIER_P_VALUE),
        Column(
            "outlier_p_trials",
            "float64",
            "outlier_p_value if the model were known and windows did not overlap: 1 - (1 - q)^trials.",
            "",
            "stat.probability",
        ),
        Column(
            "check_draws",
            "int32",
            "Number of simulations fitted for T_R, T_SSE and the windows.",
            ucd="meta.number",
            of="t_sse",
        ),
        Column(
            "check_failed",
            "int32",
            "Number of simulations whose fit failed.",
            ucd="meta.number",
            of="t_sse",
        ),
        Column(
            "check_origin",
            "str",
            "Origin of the parameters of the simulations: posterior, gaussian, fit, or none.",
            ucd="meta.code",
        ),
    )

    def run(self, subject: Subject) -> Findings:
        """Check a model."""
        import numpy as np

        from pipeline.fit.significance import predictive

        asked: OutlierOptions = subject.of("outliers")
        found = predictive.check(
            subject.batch.on(subject.engine_of(subject.model)),
            subject.result,
            subject.seeds(asked.seed, Purpose.OUTLIERS),
            scales=asked.scales,
            draws=asked.draws,
            enough=asked.enough,
            batch_size=subject.options.batch_size,
        )
        poor = found.p_t_sse.p_value <= asked.alpha
        too_good = found.p_low.p_value <= asked.alpha
        flags = np.where(poor, int(Flag.POOR_FIT), 0) | np.where(
            too_good, int(Flag.TOO_GOOD_FIT), 0
        )
        return Findings(_columns(found), flags=flags)


def _columns(found: Check) -> dict:
    """Return the columns of MODELS that a check fills."""
    columns = {
        "t_r": found.t_r,
        "t_sse": found.t_sse,
        "outlier_t_r": found.outlier,
        "outlier_frequency": found.window.frequency,
        "outlier_width": found.window.width,
        "outlier_bins": found.window.bins,
        "outlier_trials": found.window.trials,
        "outlier_p_trials": found.window.p_trials,
        "check_draws": found.draws,
        "check_failed": found.failed,
        "check_origin": found.origin,
        "t_sse_low_p_value": found.p_low.p_value,
    }
    for name, p in (("t_r", found.p_t_r), ("t_sse", found.p_t_sse), ("outlier", found.p_outlier)):
        columns[f"{name}_p_value"] = p.p_value
        columns[f"{name}_p_error"] = p.error_dex
        columns[f"{name}_method"] = p.method
    return columns
