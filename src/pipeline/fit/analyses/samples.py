"""Draws from the posterior of chosen sources, kept: see `pipeline.fit.uncertainty.hmc`."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.columns.fitted import ESS_BULK, ESS_TAIL, R_HAT
from pipeline.columns.samples import SAMPLES
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
