"""The optimiser finds the optimum from anywhere, lane by lane, whatever the neighbours do."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binom

from pipeline.fit import Code, Engine, Grid, Model, PowerSpectrum, Spectra
from pipeline.fit.engine import programs
from pipeline.fit.engine.covariance import covariance, interval
from pipeline.fit.engine.devices import devices_of

GRID = np.linspace(1 / 16, 32, 256)
TRUTH = [2.0, 1.4, 6.0, 6.0, 1.0, 2.0]


def test_it_finds_what_scipy_finds_from_far_starts(three, draw, problem, far):
    spectra, u = draw(three, TRUTH, GRID, 32, 12, seed=5)
    engine = Engine(PowerSpectrum(three), block_size=8)
    near, found = (engine.fit(spectra, problem(three, start)) for start in (u, far(u, 6)))
    assert (near.code == Code.CONVERGED).all()
    same = np.abs(near.objective - found.objective) < 0.02
    assert same.mean() >= 0.75  # one start each: a peak that starts elsewhere may find another bump

    def objective(v, lane):
        model = np.asarray(three.power(v[:, None], Grid.of(GRID[:, None]), np.ones((3, 1), bool)))[
            :, 0
        ]
        ratio = spectra.power[:, lane] / model
        return np.sum(2 * 32 * (ratio - 1 - np.log(ratio)))

    for lane in range(3):
        best = minimize(objective, near.u[:, lane], args=(lane,), method="Nelder-Mead").fun
        assert near.objective[lane] <= best + 1e-3


def test_a_lane_does_not_depend_on_its_neighbours_or_the_block_size(three, draw, problem):
    spectra, u = draw(three, TRUTH, GRID, 8, 21, seed=7)
    start = u + np.random.default_rng(8).normal(0, 0.2, u.shape)
    few = [4, 18]
    engine = Engine(PowerSpectrum(three), block_size=8, tolerance=1e-12)
    whole = engine.fit(spectra, problem(three, start))
    same = engine.fit(spectra.take(few), problem(three, start[:, few]))
    assert (same.code == Code.CONVERGED).all()
    np.testing.assert_array_equal(same.u, whole.u[:, few])
    other = Engine(PowerSpectrum(three), block_size=3, tolerance=1e-12)
    part = other.fit(spectra.take(few), problem(three, start[:, few]))
    np.testing.assert_allclose(part.objective, whole.objective[few], rtol=1e-10)
    np.testing.assert_allclose(part.u, whole.u[:, few], atol=1e-6)


def test_a_lane_goes_the_same_way_alone_and_among_lanes_that_take_long(three, draw, problem, far):
    """Blocks end when half of their lanes have: a lane must not see where the block was cut."""
    spectra, u = draw(three, TRUTH, GRID, 8, 24, seed=7)
    start = far(u, 10)
    engine = Engine(PowerSpectrum(three), block_size=8)
    whole = engine.fit(spectra, problem(three, start))
    for lanes in ([lane] for lane in range(24)):
        alone = engine.fit(spectra.take(lanes), problem(three, start[:, lanes]))
        for name in ("u", "objective", "iterations", "code"):
            among = getattr(whole, name)[..., lanes]
            np.testing.assert_allclose(getattr(alone, name), among, rtol=1e-12)


def test_a_peak_that_starts_at_the_wrong_place_is_rescued_where_that_is_asked_for(draw, problem):
    model = Model.from_components("two peaks", ["lorentzian", "lorentzian", "constant"])
    truth = [4.0, 3.0, 1.0, 4.0, 20.0, 2.0, 2.0]
    spectra, u = draw(model, truth, np.linspace(0.5, 32, 100), 64, 8, seed=6)
    start = u.copy()
    start[4] = np.log(3.3)  # both at the first
    best = Engine(PowerSpectrum(model), block_size=8).fit(spectra, problem(model, u)).objective
    plain, rescued = (
        Engine(PowerSpectrum(model), block_size=8, rescue=rescue).fit(
            spectra, problem(model, start)
        )
        for rescue in (False, True)
    )
    assert (plain.objective > best + 10).any()
    assert (rescued.objective < best + 0.1).mean() >= 0.8
    assert (rescued.objective <= plain.objective + 0.01).all()
    assert (rescued.code == Code.CONVERGED).all()


def test_padding_changes_nothing(three, draw, problem):
    spectra, u = draw(three, TRUTH, GRID, 8, 5, seed=9)
    fill = [np.ones((64, 5)), np.ones((64, 5)), np.zeros((64, 5))]
    padded = Spectra(*(np.concatenate(pair) for pair in zip(spectra[:3], fill, strict=True)))
    engine = Engine(PowerSpectrum(three), block_size=8)
    one, other = (engine.fit(s, problem(three, u)) for s in (spectra, padded))
    np.testing.assert_allclose(one.u, other.u, atol=1e-6)


def test_bounds_hold_and_are_reported(three, draw, problem):
    spectra, u = draw(three, TRUTH, GRID, 32, 6, seed=10)
    lower, upper = u - 3, u + 3
    upper[3] = np.log(5.0)  # the peak is at 6
    fit = Engine(PowerSpectrum(three), block_size=8).fit(
        spectra, problem(three, u - 0.5, lower, upper)
    )
    assert (fit.u <= upper).all()
    assert (fit.u >= lower).all()
    assert fit.at_bound[3].all()
    assert not fit.at_bound[[0, 1, 5]].any()


def test_fixed_parameters_do_not_move(three, draw, problem):
    spectra, u = draw(three, TRUTH, GRID, 32, 4, seed=11)
    held = problem(three, u)
    held.free[1] = False
    fit = Engine(PowerSpectrum(three), block_size=8).fit(spectra, held)
    np.testing.assert_array_equal(fit.u[1], u[1])
    assert (np.abs(fit.u[0] - u[0]) > 0).all()


def test_components_that_are_off_are_not_there(three, draw, problem):
    white = Model.from_components("white", ["constant"])
    spectra, level = draw(white, [2.0], GRID, 32, 4, seed=12)
    off = problem(three, np.tile([[0.3], [1.0], [0.1], [1.5], [0.0], [0.5]], 4))
    off.active[:2], off.free[:5] = False, False
    fit = Engine(PowerSpectrum(three), block_size=8, tolerance=1e-12).fit(spectra, off)
    alone = Engine(PowerSpectrum(white), block_size=8, tolerance=1e-12).fit(
        spectra, problem(white, level)
    )
    np.testing.assert_allclose(fit.deviance, alone.deviance, rtol=1e-10)
    np.testing.assert_allclose(np.exp(alone.u[0]), spectra.power.mean(axis=0), rtol=1e-8)


def test_a_bad_lane_has_a_code_and_its_neighbours_do_not_notice(three, draw, problem):
    spectra, u = draw(three, TRUTH, GRID, 32, 5, seed=13)
    clean = Engine(PowerSpectrum(three), block_size=8).fit(spectra, problem(three, u))
    spectra.power[3, 1] = np.nan
    spectra.power[7, 2] = np.inf
    fit = Engine(PowerSpectrum(three), block_size=8).fit(spectra, problem(three, u))
    assert fit.code[[1, 2]].tolist() == [Code.NO_DATA, Code.NO_DATA]
    good = [0, 3, 4]
    np.testing.assert_allclose(fit.u[:, good], clean.u[:, good], rtol=1e-14)


def test_one_compilation_serves_every_number_of_lanes(draw, problem, monkeypatch):
    traced = []

    def counting(*arguments):
        traced.append(arguments)
        return score(*arguments)

    score = programs.score
    monkeypatch.setattr(programs, "score", counting)
    model = Model.from_components("compiled once", ["power_law", "constant"])
    engine = Engine(PowerSpectrum(model), block_size=8, devices=devices_of()[:1])
    for lanes in (3, 8, 29):
        spectra, u = draw(model, [1.0, 1.2, 2.0], GRID, 8, lanes, seed=lanes)
        engine.fit(spectra, problem(model, u))
    assert len(traced) == 1


def test_single_precision_agrees_with_double(three, draw, problem):
    spectra, u = draw(three, TRUTH, GRID, 32, 8, seed=14)
    double, single = (
        Engine(PowerSpectrum(three), block_size=8, precision=p).fit(spectra, problem(three, u))
        for p in ("float64", "float32")
    )
    assert (single.code == Code.CONVERGED).all()
    np.testing.assert_allclose(single.u, double.u, atol=5e-3)
    np.testing.assert_allclose(single.deviance, double.deviance, atol=0.05)


@pytest.mark.parametrize("n", [1, 50])
def test_intervals_of_a_power_law_and_noise_cover(n, draw, problem):
    """68.3 % intervals hold the truth in 68.3 % of 1,500 spectra, within four binomial sigma.

    Stingray's, for the same three parameters: .76 .84 .88 (n = 1) and .90 .94 .96 (n = 50).
    """
    model = Model.from_components("red", ["power_law", "constant"])
    lanes = 1500
    spectra, u = draw(model, [3.0, 1.5, 1.0], np.linspace(0.01, 5, 500), n, lanes, seed=n)
    fit = Engine(PowerSpectrum(model), block_size=128).fit(spectra, problem(model, u))
    moved = np.ones(u.shape, bool)
    errors = covariance(PowerSpectrum(model), spectra, np.ones((2, lanes), bool), fit.u, moved)
    sigma = np.sqrt(np.einsum("iil->il", errors.matrix))
    lo, hi = interval(fit.u, sigma, model.is_log)
    value, true = model.to_values(fit.u), model.to_values(u)
    inside = ((true >= value - lo) & (true <= value + hi)).mean(axis=1)
    margin = 4 * binom.std(lanes, 0.6827) / lanes
    assert errors.sound.mean() > 0.995
    np.testing.assert_allclose(inside, 0.6827, atol=margin)


def test_one_device_gives_what_four_give():
    program = """
import sys, numpy as np
from pipeline.fit import Engine, Model, PowerSpectrum, Problem, Spectra, configure
devices = configure("cpu", cpu_devices=int(sys.argv[1]))
assert len(devices) == int(sys.argv[1])
model = Model.from_components("red", ["power_law", "constant"])
rng = np.random.default_rng(0)
f = np.repeat(np.linspace(0.1, 9, 64)[:, None], 37, axis=1)
power = rng.gamma(9, (1 + 2 / f) / 9)
u = np.zeros((3, 37))
fit = Engine(PowerSpectrum(model), block_size=8).fit(Spectra(f, power, np.full(f.shape, 9.0)), Problem(
    u, u - 9, u + 9, np.ones(u.shape, bool), np.ones((2, 37), bool)))
print(repr(fit.u.sum()), repr(fit.deviance.sum()))
"""
    one, four = (
        subprocess.run(
            [sys.executable, "-W", "error", "-c", program, count],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for count in ("1", "4")
    )
    assert one == four


def test_fit_imports_nothing_that_a_gpu_node_need_not_have():
    program = (
        "import sys, pipeline.fit, pipeline.fit.driver;"
        "print({m.split('.')[0] for m in sys.modules} & {'astropy', 'dask', 'distributed', 'snakemake'})"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "set()"


@pytest.mark.slow
def test_long_spectra_keep_a_peak_that_coarse_bins_would_lose(three, draw, problem):
    grid = np.linspace(1 / 16, 64, 1024)
    spectra, u = draw(three, [0.2, 1.2, 0.6, 21.1, 0.12, 0.1], grid, 32, 12, seed=16)
    fit = Engine(PowerSpectrum(three), block_size=8).fit(spectra, problem(three, u + 0.02))
    assert (fit.code == Code.CONVERGED).all()
    np.testing.assert_allclose(np.exp(fit.u[3]), 21.1, rtol=2e-3)
    np.testing.assert_allclose(fit.u[4], u[4], atol=1.0)


@pytest.mark.slow
def test_a_grid_that_all_spectra_share_gives_what_grids_of_their_own_give(three, draw, problem):
    spectra, u = draw(three, TRUTH, np.linspace(1 / 16, 64, 1024), 32, 11, seed=17)
    shared = Spectra(spectra.frequency[:, :1], spectra.power, spectra.weight[:, :1])
    engine, told = (
        Engine(PowerSpectrum(three), block_size=8, precision="float32"),
        problem(three, u + 0.1),
    )
    own, other = (engine.fit(s, told) for s in (spectra, shared))
    assert (own.code == other.code).all()
    np.testing.assert_allclose(other.objective, own.objective, rtol=1e-5)
    np.testing.assert_allclose(other.u, own.u, atol=2e-3)
    rest = told.active, own.u, ~own.at_bound, 8
    errors = [covariance(PowerSpectrum(three), s, *rest) for s in (spectra, shared)]
    np.testing.assert_allclose(errors[1].matrix, errors[0].matrix, rtol=1e-3, atol=1e-7)
