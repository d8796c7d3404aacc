"""Profile intervals and upper limits are those of a brute-force profile, and cover."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.stats import binom, chi2

from pipeline.config.models import ComponentOptions
from pipeline.fit import Engine, Model, PowerSpectrum, add_profiles, fit_model
from pipeline.fit.engine.covariance import covariance
from pipeline.fit.search.batch import Batch, End
from pipeline.fit.uncertainty.ends import find_ends, one_sided, two_sided
from pipeline.fit.uncertainty.intervals import is_weak
from pipeline.fit.uncertainty.profile import profiles

GRID = np.linspace(1 / 8, 16, 128)
TRUTH = [2.0, 1.4, 6.0, 6.0, 1.0, 2.0]
WHITE_AND_PEAK = Model.from_components("white and peak", ["constant", "lorentzian"])


def _known_peak():
    """Constant and a Lorentzian whose place and width are known, as of a QPO seen in another band."""
    told = {"frequency": {"fixed": 6.0}, "fwhm": {"fixed": 1.0}}
    return Model.from_components(
        "known peak",
        [ComponentOptions(name="constant"), ComponentOptions(name="lorentzian", parameters=told)],
    )


def _fitted(model, spectra, problem):
    """Everything that `find_ends` takes but the tasks."""
    engine = Engine(PowerSpectrum(model), block_size=8, tolerance=1e-10)
    fit = engine.fit(spectra, problem)
    moved = problem.free & ~fit.at_bound
    matrix = covariance(engine.objective, spectra, problem.active, fit.u, moved).matrix
    batch = Batch(engine, spectra, np.ones(spectra.power.shape))
    return batch, fit, problem, matrix


def _brute_force(u, power, n, row, side, rise):
    """End of a profile interval by root finding around a general minimiser."""

    def objective(v):
        amplitude, slope, variance, centre, fwhm, level = v
        half = np.exp(fwhm) / 2
        peak = np.exp(variance) * half / np.pi / (half**2 + (GRID - np.exp(centre)) ** 2)
        model = np.exp(amplitude) * GRID**-slope + peak + np.exp(level)
        return np.sum(2 * n * (power / model - 1 - np.log(power / model)))

    others = [k for k in range(6) if k != row]
    last = u[others]

    def excess(distance):
        nonlocal last

        def held(w):
            return objective(np.insert(w, row, u[row] + side * distance))

        found = minimize(held, last, method="BFGS")
        last = found.x
        return found.fun - objective(u) - rise

    far = 0.02
    while excess(far) < 0:
        far *= 1.6
    return u[row] + side * brentq(excess, far / 1.6, far, xtol=1e-6)


@pytest.mark.parametrize("level", [0.6827, 0.9545])
def test_intervals_are_those_of_a_brute_force_profile(level, three, draw, problem):
    spectra, u = draw(three, TRUTH, GRID, 10, 3, seed=1)
    told = _fitted(three, spectra, problem(three, u))
    tasks = two_sided(np.ones(u.shape, bool), level)
    ends = find_ends(*told, tasks)
    assert (ends.code == End.FOUND).all()
    assert ends.refits.mean() < 5
    best = told[1].u
    sigma = np.sqrt(told[3][tasks.row, tasks.row, tasks.lane])
    for k in range(0, tasks.lane.size, 7):
        lane, row, side = tasks.lane[k], tasks.row[k], tasks.side[k]
        expected = _brute_force(
            best[:, lane], spectra.power[:, lane], 10, row, side, chi2.ppf(level, 1)
        )
        assert ends.u[k] == pytest.approx(expected, abs=4e-3 * sigma[k])


def test_a_lane_does_not_depend_on_its_neighbours_or_the_batch(three, draw, problem):
    spectra, u = draw(three, TRUTH, GRID, 10, 9, seed=2)
    told = _fitted(three, spectra, problem(three, u))
    wanted = np.zeros(u.shape, bool)
    wanted[2:4] = True
    tasks = two_sided(wanted)
    whole = find_ends(*told, tasks)
    mine = np.flatnonzero(tasks.lane == 4)
    alone = find_ends(*told, tasks.take(mine))
    small = find_ends(*told, tasks, batch_size=5)
    np.testing.assert_allclose(alone.u, whole.u[mine], rtol=1e-6)
    np.testing.assert_allclose(small.u, whole.u, rtol=1e-6)


def test_an_interval_that_reaches_a_bound_is_open_there(three, draw, problem):
    spectra, u = draw(three, TRUTH, GRID, 10, 4, seed=3)
    lower, upper = u - 3, u + 3
    upper[1] = 1.39  # the slope is 1.4, known to 0.05
    batch, fit, asked, matrix = _fitted(three, spectra, problem(three, u, lower, upper))
    wanted = np.zeros(u.shape, bool)
    wanted[1] = True
    found = profiles(batch, fit, asked, matrix, wanted, wanted & False)
    at = fit.at_bound[1]
    assert at.any()
    assert (found.upper_code[0, 1, at] == End.OPEN).all()
    assert np.isnan(found.upper[0, 1, at]).all()
    assert (found.lower_code[0, 1] == End.FOUND).all()
    assert (found.lower[0, 1] < fit.u[1]).all()


def test_a_better_optimum_is_reported_and_the_lane_fitted_again_from_it(three, draw):
    spectra, _ = draw(three, TRUTH, GRID, 10, 4, seed=4)
    widths = np.full(spectra.power.shape, 1 / 8)
    engine = Engine(PowerSpectrum(three), block_size=8)
    good = fit_model(Batch(engine, spectra, widths))
    poor = good.fit.u.copy()
    poor[1, 2] += 0.3  # far from the optimum, and said to have converged
    objective = good.fit.objective.copy()
    objective[2] += 25.0
    stuck = replace(good, fit=replace(good.fit, u=poor, objective=objective))
    mended = add_profiles(Batch(engine, spectra, widths), stuck, which="all")
    np.testing.assert_allclose(mended.fit.objective, good.fit.objective, atol=1e-4)
    np.testing.assert_allclose(mended.fit.u, good.fit.u, atol=1e-2)
    assert (mended.profiles.lower_code[0] == End.FOUND).all()
    np.testing.assert_allclose(mended.bic, good.bic, atol=1e-3)


def test_a_bad_lane_has_a_code_and_its_neighbours_do_not_notice(three, draw, problem):
    spectra, u = draw(three, TRUTH, GRID, 10, 3, seed=5)
    wanted = np.zeros(u.shape, bool)
    wanted[2] = True
    tasks = two_sided(wanted)
    clean = find_ends(*_fitted(three, spectra, problem(three, u)), tasks)
    spectra.power[3, 1] = np.nan
    ends = find_ends(*_fitted(three, spectra, problem(three, u)), tasks)
    bad = tasks.lane == 1
    assert (ends.code[bad] == End.FAILED).all()
    assert np.isnan(ends.u[bad]).all()
    np.testing.assert_allclose(ends.u[~bad], clean.u[~bad], rtol=1e-9)


def test_nothing_to_look_for_is_nothing_found(three, draw, problem):
    spectra, u = draw(three, TRUTH, GRID, 10, 2, seed=6)
    ends = find_ends(
        *_fitted(three, spectra, problem(three, u)), two_sided(np.zeros(u.shape, bool))
    )
    assert ends.u.size == ends.code.size == 0


def test_an_upper_limit_of_95_percent_is_a_rise_of_2_706():
    assert one_sided(np.ones((1, 1), bool)).rise[0] == pytest.approx(2.7055, abs=1e-4)


@pytest.mark.parametrize("variance", [0.0, 0.35, 0.7])
def test_upper_limits_and_intervals_of_a_weak_peak_cover(variance, draw):
    """Limits of 95 % and intervals of 68.3 % of a variance of zero, one and two sigma.

    Of all spectra, wherever the best fit lies. At zero every limit is above the truth, and the interval
    holds it when it is open below: in 84 %.
    """
    lanes = 600
    spectra, _ = draw(
        WHITE_AND_PEAK, [2.0, max(variance, 1e-20), 6.0, 1.0], GRID, 20, lanes, seed=7
    )
    batch = Batch(
        Engine(PowerSpectrum(_known_peak())), spectra, np.full(spectra.power.shape, 1 / 8)
    )
    result = fit_model(batch)
    assert is_weak(result)[1].mean() > 0.3
    told = batch.problem(result.fit.u, result.active)
    asked = result.free & (np.arange(4) == 1)[:, None]
    matrix = np.where(result.sound, result.covariance, 0.0)
    found = profiles(batch, result.fit, told, matrix, asked, asked)
    assert (found.limit_code[1] == End.FOUND).all()
    true = np.log(max(variance, 1e-20))
    above = (found.limit[1] >= true).mean()
    lower = np.where(found.lower_code[0, 1] == End.OPEN, -np.inf, found.lower[0, 1])
    inside = ((lower <= true) & (true <= found.upper[0, 1])).mean()
    nominal, expected = (1.0, 0.8413) if variance == 0 else (0.95, 0.6827)
    assert above == pytest.approx(nominal, abs=4 * binom.std(lanes, nominal) / lanes)
    assert inside == pytest.approx(expected, abs=4 * binom.std(lanes, expected) / lanes)


def test_a_strong_component_costs_no_profile(three, draw):
    spectra, _ = draw(three, TRUTH, GRID, 50, 3, seed=9)
    widths = np.full(spectra.power.shape, 1 / 8)
    engine = Engine(PowerSpectrum(three), block_size=8)
    result = fit_model(Batch(engine, spectra, widths))
    assert not is_weak(result).any()
    weak = add_profiles(Batch(engine, spectra, widths), result).profiles
    assert not weak.lower_code.any()
    assert not weak.limit_code.any()
    assert add_profiles(Batch(engine, spectra, widths), result, which="none").profiles is None
