"""Batched fits of power spectra: JAX, NumPy, SciPy and a priors library, nothing else."""

from pipeline.fit.api import Parameter, Result, fit_spectra
from pipeline.fit.engine.devices import configure
from pipeline.fit.engine.engine import Engine
from pipeline.fit.engine.objective import Objective
from pipeline.fit.engine.problem import Code, Fit, Problem
from pipeline.fit.model.grid import Grid
from pipeline.fit.model.model import Model
from pipeline.fit.objectives.power_spectrum import PowerSpectrum
from pipeline.fit.objectives.spectra import Spectra
from pipeline.fit.search.fit_model import ModelFit, fit_model
from pipeline.fit.uncertainty.intervals import add_profiles

__all__ = [
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
