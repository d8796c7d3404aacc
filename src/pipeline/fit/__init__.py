"""Batched fits of power spectra: JAX, NumPy, SciPy and a priors library, nothing else."""

from pipeline.fit.api import Parameter, Result, fit_spectra
from pipeline.fit.components import Grid
from pipeline.fit.devices import configure
from pipeline.fit.model import Model
from pipeline.fit.optimize import Code, Engine, Fit, Problem, Spectra
from pipeline.fit.select import ModelFit, fit_model
from pipeline.fit.weak import add_profiles

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
