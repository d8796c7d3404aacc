"""A peak that has lost its way is moved to the one in the data, and nothing else is."""

import jax.numpy as jnp
import numpy as np

from pipeline.fit import Code, Engine, Model, PowerSpectrum, Problem
from pipeline.fit.objectives import peaks

GRID = np.linspace(1 / 16, 64, 1024)
TRUTH = [2.0, 1.5, 10.0, 6.0, 1.0, 2.0]


def test_from_starts_up_to_twice_off_long_spectra_reach_the_peak(three, draw, problem, far):
    spectra, u = draw(three, TRUTH, GRID, 32, 256, seed=61)
    engine = Engine(PowerSpectrum(three), block_size=8, precision="float32")
    lower, upper = u - 12, u + 12
    lower[3:5], upper[3:5] = np.log(1 / 16), np.log(64)
    near, found = (
        engine.fit(spectra, problem(three, start, lower, upper)) for start in (u, far(u, 62))
    )
    assert (found.code == Code.CONVERGED).all()
    same = np.abs(found.objective - near.objective) < 0.02
    assert same.mean() >= 0.99  # 0.95 where no peak is moved


def _moved(model, draw, problem, truth, at, change=lambda told: told):
    spectra, u = draw(model, truth, np.geomspace(0.05, 60, 400), 400, 8, seed=63)
    start = u.copy()
    for row, value in at.items():
        start[row] = np.log(value)
    told = change(problem(model, start))
    told = Problem(*(jnp.asarray(a) for a in told))
    return start, np.asarray(peaks.relocated(model, "gamma", spectra, told, jnp.asarray(start)))


def test_the_peak_that_does_least_is_moved_to_where_one_is_missing(draw, problem):
    model = Model.from_components("two", ["lorentzian", "lorentzian", "constant"])
    truth = [30.0, 1.0, 0.3, 20.0, 8.0, 1.0, 0.5]
    start, moved = _moved(model, draw, problem, truth, {4: 35.0, 3: 0.05})
    assert (np.delete(moved, [3, 4, 5], axis=0) == np.delete(start, [3, 4, 5], axis=0)).all()
    np.testing.assert_allclose(np.exp(moved[4]), 8.0, rtol=0.15)
    np.testing.assert_allclose(np.exp(moved[3]), 20.0, rtol=0.8)


def test_a_peak_keeps_to_its_bounds_and_what_is_fixed_stays(draw, problem):
    model = Model.from_components("one", ["lorentzian", "constant"])
    truth = [20.0, 8.0, 1.0, 0.5]

    def bounded(told):
        told.upper[1] = np.log(5.0)
        told.free[2] = False
        return told

    start, moved = _moved(model, draw, problem, truth, {1: 0.5}, bounded)
    assert (moved[1] <= np.log(5.0)).all()
    assert (moved[1] > np.log(4.0)).all()  # as near to the peak in the data as it may
    assert (moved[2:] == start[2:]).all()

    def fixed(told):
        told.free[1] = False
        return told

    start, moved = _moved(model, draw, problem, truth, {1: 0.5}, fixed)
    assert (moved == start).all()

    def absent(told):
        told.active[0] = False
        return told

    start, moved = _moved(model, draw, problem, truth, {1: 0.5}, absent)
    assert (moved == start).all()


def test_one_peak_that_stands_for_two_is_divided_and_the_fit_finds_both(draw, problem):
    model = Model.from_components("two", ["lorentzian", "lorentzian", "constant"])
    truth = [6.0, 0.5, 1.0, 3.0, 1.7, 1.2, 2.0]
    spectra, u = draw(model, truth, np.geomspace(0.05, 60, 250), 200, 8, seed=64)
    start = u.copy()
    start[:6] = np.log([[9.0], [0.65], [2.0], [0.05], [20.0], [1.0]])
    told = Problem(*(jnp.asarray(a) for a in problem(model, start)))
    halves = np.exp(peaks.divided(model, "gamma", spectra, told, jnp.asarray(start)))
    np.testing.assert_allclose(halves[:3, 0], [4.5, 0.65, 1.0], rtol=1e-6)
    np.testing.assert_allclose(halves[3:6, 0], [4.5, 0.65 + 1.0, 1.0], rtol=1e-6)
    fits = [
        Engine(PowerSpectrum(model), block_size=8, rescue=rescue).fit(spectra, problem(model, at))
        for at, rescue in ((u, False), (start, True))
    ]
    assert (fits[1].objective < fits[0].objective + 0.1).all()


def test_peaks_of_other_kinds_or_that_may_not_move_are_not_divided(draw, problem):
    model = Model.from_components("m", ["lorentzian", "gaussian", "constant"])
    assert PowerSpectrum(model).rescues == 1
    model = Model.from_components("two", ["lorentzian", "lorentzian", "constant"])
    assert PowerSpectrum(model).rescues == 2
    truth = [6.0, 0.5, 1.0, 3.0, 1.7, 1.2, 2.0]
    spectra, u = draw(model, truth, np.geomspace(0.05, 60, 50), 200, 2, seed=65)
    told = problem(model, u)
    told.active[1] = False
    told = Problem(*(jnp.asarray(a) for a in told))
    np.testing.assert_array_equal(peaks.divided(model, "gamma", spectra, told, jnp.asarray(u)), u)


def test_only_peaks_with_a_place_can_move():
    model = Model.from_components("m", ["zero_lorentzian", "power_law", "gaussian", "harvey"])
    found = {model.slots[s].declared.name for s in peaks.movable(model)}
    assert found == {"gaussian", "harvey"}
