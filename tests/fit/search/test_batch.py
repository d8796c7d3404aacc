"""A batch: spectra with their engine and the bounds of the fitted variables."""

import numpy as np
import pytest

from pipeline.config.models import ComponentOptions
from pipeline.fit import Batch, Engine, Model, PowerSpectrum
from pipeline.fit.engine.objective import Objective

GRID = np.linspace(0.1, 12.8, 64)
HELD = {"lorentzian": {"frequency": {"fixed": 6.0}, "fwhm": {"bounds": [0.5, 2.0]}}}


@pytest.fixture(scope="module")
def model():
    components = ["constant", ComponentOptions.model_validate(HELD)]
    return Model.from_components("held", components)


@pytest.fixture
def batch(model, draw):
    spectra, _ = draw(model, [2.0, 1.0, 6.0, 1.0], GRID, 20, 4, seed=1)
    spectra.weight[50:, 2] = 0
    return Batch(Engine(PowerSpectrum(model)), spectra, np.full_like(spectra.power, 0.2))


def test_a_parameter_that_the_model_holds_has_bounds_of_no_width_and_is_not_free(batch):
    row = batch.model.names.index("lorentzian.1.frequency")
    assert batch.held.tolist() == [k == row for k in range(4)]
    np.testing.assert_allclose(batch.bounds.lower[row], np.log(6.0))
    np.testing.assert_array_equal(batch.bounds.lower[row], batch.bounds.upper[row])
    assert not batch.free(np.ones((2, 4), bool))[row].any()


def test_bounds_that_are_given_are_kept_and_others_follow_from_each_spectrum(batch):
    width, level = batch.model.names.index("lorentzian.1.fwhm"), 0
    np.testing.assert_allclose(np.exp(batch.bounds.lower[width]), 0.5)
    np.testing.assert_allclose(np.exp(batch.bounds.upper[width]), 2.0)
    assert len(set(batch.bounds.upper[level])) == 4


def test_some_lanes_are_what_they_are_in_the_whole(batch):
    some = batch.take(np.array([2, 0, 2]))
    assert some.n_lanes == 3
    assert some.n_bins.tolist() == [50, 64, 50]
    np.testing.assert_array_equal(some.bounds.lower, batch.bounds.lower[:, [2, 0, 2]])
    np.testing.assert_array_equal(some.spectra.power, batch.spectra.power[:, [2, 0, 2]])
    np.testing.assert_array_equal(some.sample_size, batch.sample_size[[2, 0, 2]])


def test_simulated_spectra_have_bounds_of_their_own_and_the_rest_of_their_lanes(batch):
    power = 100 * batch.spectra.power[:, [2, 2]]
    drawn = batch.drawn(power, np.array([2, 2]))
    assert (drawn.bounds.upper[0] > batch.bounds.upper[0, 2] + 4).all()
    np.testing.assert_array_equal(drawn.spectra.weight[:, 0], batch.spectra.weight[:, 2])


def test_the_bic_counts_free_parameters_and_ordinates(batch):
    active = np.array([[True] * 4, [True, True, False, False]])
    found = batch.bic(np.zeros(4), active)
    number = 20 * np.array([64, 64, 50, 64])
    np.testing.assert_allclose(found, np.array([3, 3, 1, 1]) * np.log(number))
    np.testing.assert_allclose(batch.bic(np.zeros(1), active[:, [2]], np.array([2])), found[2])


def test_the_best_of_several_starts_is_kept(batch):
    lanes, active = np.arange(4), np.ones((2, 4), bool)
    near = np.log(np.array([2.0, 1.0, 6.0, 1.0]))[:, None] * np.ones(4)
    far = batch.bounds.clip(near + 6.0)
    both = batch.best_of(lanes, np.stack([far, near]), active)
    alone = batch.best_of(lanes, near[None], active)
    np.testing.assert_allclose(both.objective, alone.objective, rtol=1e-6)


def test_another_objective_has_no_batch(batch):
    class Other(Objective):
        size = 1

    with pytest.raises(TypeError, match="power spectra, not of a Other"):
        Batch(Engine(Other()), batch.spectra, batch.widths)
