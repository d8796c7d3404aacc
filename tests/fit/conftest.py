"""Spectra drawn from a known model, for the tests of the fits."""

import importlib
import pkgutil
from dataclasses import replace

import jax
import numpy as np
import pytest
from jaxtyping import install_import_hook

import pipeline.fit

with install_import_hook("pipeline.fit", "beartype.beartype"):  # types and shapes are checked
    for _module in pkgutil.walk_packages(pipeline.fit.__path__, "pipeline.fit."):
        importlib.import_module(_module.name)

from pipeline import tables
from pipeline.columns.fits import PARAMETERS
from pipeline.fit import Code, Fit, Grid, Model, ModelFit, Problem, Spectra, configure
from pipeline.fit.engine.compilation import forget
from pipeline.fit.significance.montecarlo import Method
from pipeline.fit.tables.derived import Products
from pipeline.fit.tables.parameters import parameter_rows
from pipeline.fit.tables.sources import Sources


@pytest.fixture(scope="session", autouse=True)
def _devices():
    configure("cpu", "float64", cpu_devices=2)


@pytest.fixture(scope="module", autouse=True)
def _programs():
    """Let go of a file's programs: each holds memory maps, of which a process may have 65,530."""
    yield
    jax.clear_caches()
    forget()


def _draw(model, values, frequency, n, lanes, seed):
    """Spectra with power ~ Gamma(n, S/n) around a model; returns them and the true u."""
    rng = np.random.default_rng(seed)
    values = np.asarray(values, float)[:, None] * np.ones(lanes)
    u = np.where(model.is_log[:, None], np.log(np.where(model.is_log[:, None], values, 1)), values)
    grid = np.repeat(np.asarray(frequency, float)[:, None], lanes, axis=1)
    active = np.ones((len(model.slots), lanes), bool)
    expected = np.asarray(model.power(u, Grid.of(grid), active))
    weight = np.broadcast_to(np.asarray(n, float).reshape(-1, 1), grid.shape).copy()
    return Spectra(grid, rng.gamma(weight, expected / weight), weight), u


def _problem(model, u, lower=None, upper=None):
    """A problem in which everything is free, within wide bounds unless given."""
    lanes = u.shape[1]
    wide = np.where(model.is_log, 30.0, 8.0)[:, None] * np.ones(lanes)
    return Problem(
        np.array(u),
        -wide if lower is None else lower,
        wide if upper is None else upper,
        np.ones(u.shape, bool),
        np.ones((len(model.slots), lanes), bool),
    )


def _far(u, seed):
    """Starts 20 to 100 % off in every parameter."""
    rng = np.random.default_rng(seed)
    return u + rng.choice([-1, 1], u.shape) * np.log1p(rng.uniform(0.2, 1.0, u.shape))


def _spread(found, enough, rng):
    """p-values, which are discrete, spread evenly down to the next one that there could be."""
    sequential = np.array([m is Method.SEQUENTIAL for m in found.method])
    lower = np.where(sequential, enough / (found.draws + 1), found.reached / (found.draws + 1))
    return rng.uniform(np.minimum(lower, found.p_value), found.p_value)


@pytest.fixture
def three():
    """Power law, Lorentzian and constant: six parameters."""
    return Model.from_components("three", ["power_law", "lorentzian", "constant"])


@pytest.fixture
def draw():
    """Function that draws spectra, see `_draw`."""
    return _draw


@pytest.fixture
def problem():
    """Function that makes a problem, see `_problem`."""
    return _problem


@pytest.fixture
def far():
    """Function that makes starts, see `_far`."""
    return _far


@pytest.fixture
def spread():
    """Function that spreads p-values, see `_spread`."""
    return _spread


class Binned:
    """Bins between edges, and rows of SPECTRA in them.

    Parameters
    ----------
    edges : array, shape (bins + 1,)
        Hz.
    segments : float
        Raw ordinates a Hz.
    """

    def __init__(self, edges, segments):
        self.low, self.high = edges[:-1], edges[1:]
        self.width = self.high - self.low
        self.n = segments * self.width

    def lorentzian(self, variance, frequency, fwhm):
        """Mean power of a Lorentzian over each bin, by the integral."""
        inside = [np.arctan((edge - frequency) / (fwhm / 2)) for edge in (self.low, self.high)]
        return variance / np.pi * (inside[1] - inside[0]) / self.width

    def row(self, name, power, rng, **more):
        """Row of a spectrum drawn around a power."""
        return {
            "source_id": name,
            "product": "p",
            "status": "ok",
            "reason": "",
            "norm": "frac",
            "frequency": (self.low + self.high) / 2,
            "frequency_lo": self.low,
            "frequency_hi": self.high,
            "power": rng.gamma(self.n, power / self.n),
            "n": self.n,
            "power_err": np.empty(0),
            "mean_rate": np.nan,
            "background_rate": np.nan,
            "dt": np.nan,
            **more,
        }


def _parameters_of(rows, fit):
    """Rows of PARAMETERS of each lane of a fit, given the rows of SPECTRA."""
    lanes, names = len(rows), ("source_id", "product", "norm")
    sources = Sources(
        rows,
        *(np.array([row[name] for row in rows], object) for name in names),
        n_bins=np.zeros(lanes, int),
        flags=np.zeros(lanes, int),
        products=Products.of(rows),
    )
    if fit.active.shape[1] > lanes:
        fit = fit.take(np.arange(lanes))
    found = parameter_rows(sources, fit, np.zeros(lanes, bool))
    cells = tables.rows_of(tables.columns_to_arrow(PARAMETERS, found.columns))
    return [
        [c for c, own in zip(cells, found.lane, strict=True) if own == k] for k in range(len(rows))
    ]


@pytest.fixture(scope="session")
def parameters_of():
    """Function that makes rows of PARAMETERS, see `_parameters_of`."""
    return _parameters_of


@pytest.fixture(scope="session")
def binned():
    """Class of bins: see `Binned`."""
    return Binned


def _model_fit(model, values, errors=0.1, **changes):
    """A fit of a model at given values, shape (P, lanes), that converged with these errors everywhere."""
    values = np.asarray(values, float)
    is_log = model.is_log[:, None]
    u = np.where(is_log, np.log(np.where(is_log, values, 1.0)), values)
    lanes = u.shape[1]
    nowhere, number = np.zeros(u.shape, bool), np.arange(lanes, dtype=float)
    fit = Fit(
        u=u,
        deviance=number,
        objective=number,
        iterations=np.zeros(lanes, np.int32),
        code=np.full(lanes, Code.CONVERGED, np.int32),
        at_bound=nowhere,
        at_lower=nowhere.copy(),
    )
    whole = ModelFit(
        model=model,
        fit=fit,
        active=np.ones((len(model.slots), lanes), bool),
        free=np.ones(u.shape, bool),
        covariance=np.einsum("ij,il->ijl", np.eye(len(u)), np.full(u.shape, errors**2)),
        sound=np.ones(lanes, bool),
        statistic=number,
        aic=number,
        bic=number,
        rival=np.zeros((len(model.slots), lanes), bool),
        rival_bic=np.full(lanes, np.inf),
    )
    return replace(whole, **changes)


@pytest.fixture(scope="session")
def model_fit():
    """Function that makes a fit without fitting, see `_model_fit`."""
    return _model_fit
