"""Which components are weak, and which parameters get intervals and limits."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.fit import Batch, Engine, Model, PowerSpectrum, add_profiles, fit_model
from pipeline.fit.search.batch import End
from pipeline.fit.uncertainty.intervals import WEAK_SIGMA, is_weak

GRID = np.linspace(0.1, 12.8, 128)
VALUES = np.array([2.0, 1.0, 6.0, 1.0])[:, None] * np.ones(5)


@pytest.fixture(scope="module")
def model():
    return Model.from_components("peak", ["constant", "lorentzian"])


def test_a_component_is_weak_by_its_amplitude_a_bound_or_what_is_not_determined(model, model_fit):
    good = model_fit(model, VALUES, errors=0.9 * WEAK_SIGMA)
    assert not is_weak(good).any()
    covariance, at_bound = good.covariance.copy(), good.fit.at_bound.copy()
    sound = good.sound.copy()
    covariance[1, 1, 0] = (1.1 * WEAK_SIGMA) ** 2  # its variance
    covariance[2, 2, 1] = (1.1 * WEAK_SIGMA) ** 2  # a frequency may be as uncertain
    at_bound[3, 2] = True
    covariance[3, :, 3] = covariance[:, 3, 3] = 0.0
    sound[4] = False
    poor = replace(
        good, covariance=covariance, sound=sound, fit=replace(good.fit, at_bound=at_bound)
    )
    assert is_weak(poor)[1].tolist() == [True, False, True, True, True]
    assert is_weak(poor)[0].tolist() == [False, False, False, False, True]
    absent = replace(poor, active=np.array([[True] * 5, [False] * 5]))
    assert not is_weak(absent)[1].any()


def test_lanes_that_are_not_chosen_get_limits_of_what_is_weak_and_no_errors(model, draw):
    spectra, _ = draw(model, [2.0, 0.15, 6.0, 0.8], GRID, 12, 6, seed=3)
    batch = Batch(Engine(PowerSpectrum(model)), spectra, np.full_like(spectra.power, 0.1))
    result = fit_model(batch)
    weak = is_weak(result)[1]
    assert weak.sum() >= 4
    chosen = np.arange(6) % 2 == 0
    found = add_profiles(batch, result, chosen=chosen).profiles
    variance = model.names.index("lorentzian.1.variance")
    asked = found.limit_code[variance] != End.NONE
    np.testing.assert_array_equal(asked, weak)
    with_errors = (found.lower_code[0] != End.NONE).any(axis=0)
    np.testing.assert_array_equal(with_errors, weak & chosen)
    level = model.names.index("constant.1.level")
    assert (found.lower_code[0, level] == End.NONE).all()


def test_further_levels_have_wider_intervals(model, draw):
    spectra, _ = draw(model, [2.0, 3.0, 6.0, 0.8], GRID, 12, 2, seed=4)
    batch = Batch(Engine(PowerSpectrum(model)), spectra, np.full_like(spectra.power, 0.1))
    found = add_profiles(batch, fit_model(batch), which="all", levels=[0.9]).profiles
    assert found.levels == (0.6827, 0.9)
    assert (found.lower[1] < found.lower[0]).all()
    assert (found.upper[1] > found.upper[0]).all()
