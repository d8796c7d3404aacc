"""Evidence and probability of each model: see `pipeline.fit.uncertainty.importance`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.columns.base import Column
from pipeline.config.base import Options
from pipeline.fit.analyses.base import Analysis, Findings, Subject
from pipeline.fit.tables.seeds import Purpose

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool, Float


class EvidenceOptions(Options):
    """Evidence of each model by importance sampling."""

    draws: int = Field(1024, ge=128, description="Number of draws from the posterior of each fit.")
    seed: int = Field(1, ge=0, description="Seed of the draws, together with the source's name.")


class Evidence(Analysis):
    """Evidence of every model, and the probability of each among those of a spectrum."""

    name = "evidence"
    options = EvidenceOptions
    description = (
        "Evidence and probability of each model, by importance sampling; null: none. The "
        "prior of a parameter is flat within its bounds unless stated."
    )
    columns = (
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
            "Monte-Carlo error of log_evidence.",
            "",
            "stat.error",
        ),
        Column(
            "log_evidence_laplace",
            "float64",
            "log_evidence from the curvature at the best fit alone.",
            "",
            "stat.likelihood",
        ),
        Column(
            "pareto_k",
            "float64",
            "Tail shape of the importance weights; above 0.7 the evidence is not reliable.",
            "",
            "stat.fit.goodness",
        ),
        Column(
            "ess",
            "float64",
            "Number of independent draws that carry as much information as the weighted ones.",
            "",
            "stat.value",
        ),
        Column(
            "probability",
            "float64",
            "Probability of the model among those of the product, with equal prior probabilities; "
            "NaN where unknown.",
            "",
            "stat.probability",
        ),
    )

    def lanes(self, subject: Subject) -> Bool[np.ndarray, " lanes"]:
        """Return all lanes: models are compared."""
        return subject.chosen | True

    def run(self, subject: Subject) -> Findings:
        """Sample the posterior of a model."""
        from pipeline.fit.uncertainty import importance

        asked: EvidenceOptions = subject.of("evidence")
        seeds = subject.seeds(asked.seed, Purpose.EVIDENCE)
        found = importance.sample(subject.batch, subject.result, seeds, draws=asked.draws)
        return Findings(
            {
                "log_evidence": found.log_evidence,
                "log_evidence_err": found.log_evidence_error,
                "log_evidence_laplace": found.log_evidence_laplace,
                "pareto_k": found.pareto_k,
                "ess": found.ess,
            }
        )

    def compare(
        self, columns: Mapping[str, Float[np.ndarray, "models lanes"]]
    ) -> Mapping[str, Float[np.ndarray, "models lanes"]]:
        """Return the probability of each model."""
        from pipeline.fit.uncertainty import importance

        found = importance.probabilities(columns["log_evidence"], columns["pareto_k"])
        return {"probability": found}
