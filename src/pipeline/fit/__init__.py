"""Batched fits of power spectra: JAX, NumPy, SciPy and a priors library, nothing else."""

from pipeline.fit.api import Parameter, Result, fit_spectra
from pipeline.fit.engine.devices import configure
from pipeline.fit.engine.optimize import Code, Engine, Fit, Problem, Spectra
from pipeline.fit.model.grid import Grid
from pipeline.fit.model.model import Model
from pipeline.fit.search.fit_model import ModelFit, fit_model
from pipeline.fit.uncertainty.intervals import add_profiles

__all__ = [
    "Code",
    "Engine",
    "Fit",
    "Grid",
    "Model",
    "ModelFit",
    "Parameter",
    "Problem",
    "Result",
    "Spectra",
    "add_profiles",
    "configure",
    "fit_model",
    "fit_spectra",
]
