"""Errors and limits from the profile of the likelihood: see `pipeline.fit.uncertainty.intervals`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.fit.analyses.base import Analysis, Subject

if TYPE_CHECKING:
    from pipeline.config.fit import FitOptions
    from pipeline.fit.search.batch import ModelFit


class Profiles(Analysis):
    """Profile errors of the chosen model, and upper limits of weak components of all models.

    A profile may find a better optimum, so that another model is the best one: it comes before the choice.
    """

    name = "profile"

    def asked_for(self, options: FitOptions) -> bool:
        """Return whether the configuration asks for it."""
        return options.profile != "none"

    def refine(self, subject: Subject) -> ModelFit:
        """Return the fits with profiles."""
        from pipeline.fit.uncertainty.intervals import add_profiles

        options = subject.options
        return add_profiles(
            subject.batch,
            subject.result,
            which=options.profile,
            chosen=subject.chosen,
            levels=options.levels,
            limit_level=options.upper_limit,
            batch_size=options.batch_size,
        )
