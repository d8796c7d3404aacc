"""Batched fits of power spectra: JAX, NumPy, SciPy and a priors library, nothing else.

The names below are imported when they are first used: what only declares something, as the options of the stage do,
needs none of these libraries.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.fit.api import Parameter, Result, fit_spectra
    from pipeline.fit.engine.devices import configure
    from pipeline.fit.engine.engine import Engine
    from pipeline.fit.engine.objective import Objective
    from pipeline.fit.engine.problem import Code, Fit, Problem
    from pipeline.fit.model.grid import Grid
    from pipeline.fit.model.model import Model
    from pipeline.fit.objectives.power_spectrum import PowerSpectrum
    from pipeline.fit.objectives.spectra import Spectra
    from pipeline.fit.search.batch import Batch, ModelFit
    from pipeline.fit.search.fit_model import fit_model
    from pipeline.fit.uncertainty.intervals import add_profiles

_MODULES = {
    "Batch": "search.batch",
    "Code": "engine.problem",
    "Engine": "engine.engine",
    "Fit": "engine.problem",
    "Grid": "model.grid",
    "Model": "model.model",
    "ModelFit": "search.batch",
    "Objective": "engine.objective",
    "Parameter": "api",
    "PowerSpectrum": "objectives.power_spectrum",
    "Problem": "engine.problem",
    "Result": "api",
    "Spectra": "objectives.spectra",
    "add_profiles": "uncertainty.intervals",
    "configure": "engine.devices",
    "fit_model": "search.fit_model",
    "fit_spectra": "api",
}

__all__ = [
    "Batch",
    "Code",
    "Engine",
    "Fit",
    "Grid",
    "Model",
    "ModelFit",
    "Objective",
    "Parameter",
    "PowerSpectrum",
    "Problem",
    "Result",
    "Spectra",
    "add_profiles",
    "configure",
    "fit_model",
    "fit_spectra",
]


def __getattr__(name: str) -> Any:
    """Import what is asked for from the module that has it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
