"""The objective of power spectra has the derivatives of its value; every registered objective can be imported."""

from importlib import import_module

import numpy as np
import pytest

from pipeline.fit import Model, Objective, PowerSpectrum, Spectra
from pipeline.fit.model.likelihood import LIKELIHOODS
from pipeline.fit.objectives import OBJECTIVES

GRID = np.geomspace(0.1, 30, 40)[:, None]


def _components():
    prior = {"variance": {"prior": {"lognormal": [1.0, 0.5]}}}
    return ["power_law", {"lorentzian": prior}, "constant"]


@pytest.fixture
def here():
    """Spectra of three lanes, the components of each, and places that are no optimum."""
    rng = np.random.default_rng(1)
    frequency = np.repeat(GRID, 3, axis=1)
    spectra = Spectra(frequency, rng.gamma(5.0, 0.5, (40, 3)), rng.uniform(1, 9, (40, 3)))
    active = np.array([[1, 1, 0], [1, 0, 1], [1, 1, 1]], bool)
    u = np.array([[0.2], [1.1], [0.3], [1.0], [0.5], [0.1]]) + rng.normal(0, 0.1, (6, 3))
    return spectra, active, u


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_gradient_and_observed_information_are_the_derivatives_of_the_value(likelihood, here):
    spectra, active, u = here
    objective = PowerSpectrum(Model.from_components("prior", _components()), likelihood)
    data = objective.prepared(spectra)
    exact = Objective.slope(objective, data, active, u)  # automatic differentiation of the value
    for found in (objective.slope(data, active, u), objective.stepping(data, active, u)):
        np.testing.assert_allclose(found.value, exact.value, rtol=1e-12)
        np.testing.assert_allclose(found.gradient, exact.gradient, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        objective.information("observed", data, active, u),
        Objective.information(objective, "observed", data, active, u),
        rtol=1e-9,
        atol=1e-8,
    )


def test_the_information_to_step_with_is_positive_definite_far_from_the_optimum(here):
    spectra, active, u = here
    objective = PowerSpectrum(Model.from_components("prior", _components()))
    matrix = objective.stepping(objective.prepared(spectra), active, u + 3.0).information
    there = np.repeat(active, [2, 3, 1], axis=0)
    for lane in range(3):
        rows = np.flatnonzero(there[:, lane])
        assert np.linalg.eigvalsh(matrix[:, :, lane][np.ix_(rows, rows)]).min() > 0


def test_equal_models_make_equal_objectives_and_what_they_have_is_that_of_the_model():
    one, other = (
        PowerSpectrum(Model.from_components(name, _components())) for name in ("one", "other")
    )
    assert one == other
    assert hash(one) == hash(other)
    assert one != PowerSpectrum(one.model, "gaussian")
    assert (one.size, one.parts, one.has_prior, one.rescues) == (6, 3, True, 1)
    flat = PowerSpectrum(Model.from_components("flat", ["power_law", "constant"]))
    assert (flat.size, flat.parts, flat.has_prior, flat.rescues) == (3, 2, False, 0)


@pytest.mark.parametrize("where", OBJECTIVES.values(), ids=list(OBJECTIVES))
def test_every_registered_objective_follows_the_protocol(where):
    module, name = where.split(":")
    assert Objective in getattr(import_module(module), name).__mro__
