"""Draws from the posterior of chosen sources, kept: see `pipeline.fit.uncertainty.hmc`."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.columns.base import Column, Table
from pipeline.columns.fitted import COMPONENT, ESS_BULK, ESS_TAIL, MODEL, PARAMETER, R_HAT, UNIT
from pipeline.columns.shared import PRODUCT, SOURCE_ID
from pipeline.config.base import Options
from pipeline.fit.analyses.base import Analysis, Findings, Subject
from pipeline.fit.tables.seeds import Purpose
from pipeline.status import Flag

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool


class SamplesOptions(Options):
    """Sources whose posteriors are sampled by chains, and their draws kept."""

    sources: list[str] = Field(
        default_factory=list,
        description='Names of sources, or patterns: `GRS 1915*`; `["*"]`: all.',
    )
    flagged: bool = Field(
        True,
        description="Whether sources are added whose importance weights for the chosen model cannot be "
        "relied on (`pareto_k` above 0.7); needs `evidence`.",
    )
    draws: int = Field(
        1600, ge=800, description="Number of draws kept for each source, from four chains together."
    )
    seed: int = Field(1, ge=0, description="Seed of the draws, together with the source's name.")

    def names(self, source_id: str) -> bool:
        """Return whether a source is one of `sources`."""
        return any(fnmatchcase(source_id, pattern) for pattern in self.sources)


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


class Samples(Analysis):
    """Chains of Hamiltonian Monte Carlo for the chosen model of selected sources."""

    name = "samples"
    options = SamplesOptions
    table = SAMPLES
    description = (
        "Draw from the posteriors of chosen sources by Hamiltonian Monte Carlo, and keep the draws "
        "in `samples.parquet`; null: none."
    )
    columns = (
        R_HAT,
        ESS_BULK,
        ESS_TAIL,
    )

    def lanes(self, subject: Subject) -> Bool[np.ndarray, " lanes"]:
        """Return the lanes of sources that are named, or whose importance weights cannot be believed."""
        import numpy as np

        from pipeline.fit.uncertainty.importance import GOOD_K

        asked: SamplesOptions = subject.of("samples")
        wanted = np.array([asked.names(row["source_id"]) for row in subject.rows], bool)
        if asked.flagged and "pareto_k" in subject.known:
            wanted |= subject.known["pareto_k"] > GOOD_K
        return subject.chosen & wanted & (subject.result.n_free > 0)

    def run(self, subject: Subject) -> Findings:
        """Run the chains of a model."""
        import numpy as np

        from pipeline.fit.tables.samples import sample_columns
        from pipeline.fit.uncertainty import hmc

        asked: SamplesOptions = subject.of("samples")
        seeds = subject.seeds(asked.seed, Purpose.SAMPLES)
        chains = hmc.sample_chains(subject.batch, subject.result, seeds, draws=asked.draws)
        worst = chains.worst
        own = sample_columns(subject.rows, subject.model, chains)
        return Findings(
            {"r_hat": worst.r_hat, "ess_bulk": worst.ess_bulk, "ess_tail": worst.ess_tail},
            flags=np.where(worst.good, 0, int(Flag.POSTERIOR_UNMIXED)),
            own=own.columns,
            own_lane=own.lane,
        )
