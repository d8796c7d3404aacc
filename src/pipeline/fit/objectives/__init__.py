"""What the engine fits: one module an objective (see `pipeline.fit.engine.objective.Objective`)."""

OBJECTIVES = {
    "power_spectrum": "pipeline.fit.objectives.power_spectrum:PowerSpectrum",
}
"""The objectives by name: module and class of each, imported only where it is used."""
