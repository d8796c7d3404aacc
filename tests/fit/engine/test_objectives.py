"""The engine fits what is no power spectrum: a quadratic, a light curve of damped random walk, a plateau."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from pipeline.fit import Code, Engine, Objective, Problem
from pipeline.fit.engine.covariance import covariance
from pipeline.fit.engine.devices import devices_of


@dataclass(frozen=True)
class Quadratic(Objective):
    """(u - centre)^T matrix (u - centre): an objective that states its size and its value, and nothing else."""

    size: int

    def value(self, data, active, u):
        away = u - data["centre"]
        return jnp.sum(away[:, None] * data["matrix"] * away[None], axis=(0, 1))


def _quadratic(size, lanes, condition, seed):
    """Data of quadratics whose axes are turned at random, their condition number from 1 to the given one."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(lanes, size, size)))[0]
    each = np.geomspace(1, condition, lanes)[:, None]
    values = each ** np.linspace(0, 1, size)
    matrix = np.einsum("lik,lk,ljk->ijl", turn, values, turn)
    return {"matrix": matrix, "centre": rng.uniform(-0.5, 0.5, (size, lanes))}


def _free(u, width=9.0):
    """A problem in which everything is free, within wide bounds."""
    return Problem(u, u - width, u + width, np.ones(u.shape, bool), np.ones((1, u.shape[1]), bool))


# 12 variables: the matrix has enough numbers that double precision goes by way of single
@pytest.mark.parametrize(
    ("size", "precision", "condition"),
    [(3, "float64", 1e8), (12, "float64", 1e6), (3, "float32", 1e2)],
)
def test_a_quadratic_is_minimised_exactly_whatever_its_condition(size, precision, condition):
    data = _quadratic(size, 21, condition, seed=1)
    engine = Engine(Quadratic(size), block_size=8, precision=precision, tolerance=1e-12)
    fit = engine.fit(data, _free(np.zeros((size, 21))))
    assert (fit.code == Code.CONVERGED).all()
    assert fit.iterations[:5].max() <= 5  # of a condition of up to 10
    assert fit.iterations.max() <= 16
    single = precision == "float32"
    np.testing.assert_allclose(fit.u, data["centre"], atol=2e-3 if single else 1e-5)
    np.testing.assert_allclose(fit.objective, 0, atol=1e-3 if single else 1e-10)
    np.testing.assert_array_equal(fit.deviance, fit.objective)  # there is no prior
    assert not fit.at_bound.any()
    errors = covariance(engine.objective, data, np.ones((1, 21), bool), fit.u, ~fit.at_bound)
    exact = np.moveaxis(np.linalg.inv(np.moveaxis(data["matrix"], -1, 0)), 0, -1)
    np.testing.assert_allclose(errors.matrix, exact, rtol=1e-3 if single else 1e-6, atol=1e-4)


def test_a_quadratic_in_bounds_has_the_constrained_optimum_on_one_device_and_on_all():
    data = _quadratic(3, 21, 10.0, seed=2)
    start = np.zeros((3, 21))
    problem = _free(start)._replace(upper=data["centre"] + np.array([[9], [-0.3], [9]]))
    problem.free[2] = False
    engine = Engine(Quadratic(3), block_size=8, tolerance=1e-12)
    fit = engine.fit(data, problem._replace(u=np.minimum(start, problem.upper)))
    matrix, held = data["matrix"], [np.full(21, -0.3), -data["centre"][2]]
    away = -(matrix[0, 1] * held[0] + matrix[0, 2] * held[1]) / matrix[0, 0]
    pushed = -(matrix[0, 1] * away + matrix[1, 1] * held[0] + matrix[1, 2] * held[1]) > 0
    assert pushed.sum() > 5  # where the optimum is beyond the bound
    np.testing.assert_allclose((fit.u - data["centre"])[0, pushed], away[pushed], atol=1e-6)
    np.testing.assert_array_equal(fit.u[1, pushed], problem.upper[1, pushed])
    np.testing.assert_array_equal(fit.at_bound[1], pushed)
    np.testing.assert_array_equal(fit.u[2], 0)
    alone = Engine(Quadratic(3), block_size=8, tolerance=1e-12, devices=devices_of()[:1])
    one = alone.fit(data, problem._replace(u=np.minimum(start, problem.upper)))
    np.testing.assert_array_equal(one.u, fit.u)


class LightCurves(NamedTuple):
    """Times, s, shared by all lanes or not; rates and the variances of their errors; shape (times, lanes)."""

    time: np.ndarray
    rate: np.ndarray
    variance: np.ndarray


@dataclass(frozen=True)
class RandomWalk(Objective):
    """A damped random walk, measured with errors: -2 ln L by a Kalman filter.

    The variables are ln variance, ln tau (s) and the mean (Kelly, Bechtold & Siemiginowska 2009, ApJ 698, 895).
    """

    size: int = 3

    def value(self, data, active, u):
        power, tau, mean = jnp.exp(u[0]), jnp.exp(u[1]), u[2]
        gaps = jnp.diff(data.time, axis=0, prepend=data.time[:1])

        def measure(state, row):
            place, spread, total = state
            gap, rate, variance = row
            kept = jnp.exp(-gap / tau)
            place, spread = kept * place, power + kept**2 * (spread - power)
            innovation, expected = rate - mean - place, spread + variance
            total = total + jnp.log(2 * jnp.pi * expected) + innovation**2 / expected
            gain = spread / expected
            return (place + gain * innovation, spread * (1 - gain), total), None

        rows = jnp.broadcast_to(gaps, data.rate.shape), data.rate, data.variance
        first = jnp.zeros_like(power), power, jnp.zeros_like(power)
        return jax.lax.scan(measure, first, rows)[0][2]


@jax.jit
def _dense(u, time, rate, variance):
    """-2 ln L of one light curve from the covariance matrix of its rates."""
    gaps = jnp.abs(time[:, None] - time[None])
    matrix = jnp.exp(u[0] - gaps * jnp.exp(-u[1])) + jnp.diag(variance)
    away = rate - u[2]
    log_det = jnp.linalg.slogdet(2 * jnp.pi * matrix)[1]
    return log_det + away @ jnp.linalg.solve(matrix, away)


def test_light_curves_have_the_optimum_of_scipy_and_the_errors_of_the_exact_hessian():
    rng = np.random.default_rng(3)
    times, lanes = 90, 5
    time = 55_000.0 + np.cumsum(rng.exponential(1.0, times))[:, None]
    gaps = np.abs(time - time.T)
    variance = np.full((times, lanes), 0.05)
    root = np.linalg.cholesky(2.0 * np.exp(-gaps / 5.0) + 0.05 * np.eye(times))
    data = LightCurves(time, 10 + root @ rng.normal(size=(times, lanes)), variance)
    engine = Engine(RandomWalk(), block_size=4, tolerance=1e-10)
    start = np.repeat([[0.0], [0.5], [9.5]], lanes, axis=1)
    fit = engine.fit(data, _free(start))
    assert (fit.code == Code.CONVERGED).all()
    everything, second = np.ones((1, lanes), bool), jax.jit(jax.hessian(_dense))
    errors = covariance(engine.objective, data, everything, fit.u, ~fit.at_bound)
    for lane in range(lanes):
        exact = partial(
            _dense, time=time[:, 0], rate=data.rate[:, lane], variance=data.variance[:, lane]
        )
        best = minimize(exact, fit.u[:, lane] + 0.1, method="Nelder-Mead", options={"xatol": 1e-7})
        assert fit.objective[lane] == pytest.approx(float(exact(fit.u[:, lane])), rel=1e-9)
        assert fit.objective[lane] <= best.fun + 1e-6
        np.testing.assert_allclose(fit.u[:, lane], best.x, atol=1e-3)
        hessian = second(fit.u[:, lane], time[:, 0], data.rate[:, lane], data.variance[:, lane])
        np.testing.assert_allclose(errors.matrix[:, :, lane], np.linalg.inv(hessian / 2), rtol=1e-6)


@dataclass(frozen=True)
class Valley(Objective):
    """Twice sqrt(1 + (u - centre)^2) - 1, summed over many data: a step of the engine goes one unit down it.

    Its coarse version is one datum in eight; its rescue goes to the mean of the data.
    """

    rescues: int
    size: int = 1

    def value(self, data, active, u):
        return jnp.sum(2 * (jnp.sqrt(1 + (u[0] - data) ** 2) - 1), axis=0)

    def coarse(self, data):
        return data[::8] if data.shape[0] > 100 else None

    def rescue(self, data, problem, u, way=0):
        return jnp.clip(jnp.mean(data, axis=0)[None], problem.lower, problem.upper)


def test_a_far_start_is_rescued_on_the_coarse_data_and_the_optimum_is_that_of_all_data():
    data = np.random.default_rng(4).normal(70.0, 1.0, (400, 6))
    data[::8] += 0.2  # the coarse data have another optimum
    start = np.zeros((1, 6))
    lost, rescued = (
        Engine(Valley(rescues), block_size=4, precision="float32").fit(data, _free(start, 99.0))
        for rescues in (0, 1)
    )
    assert (rescued.code == Code.CONVERGED).all()
    assert rescued.iterations.max() < 10 < lost.iterations.min()
    for lane in range(6):
        best = minimize(lambda u, k=lane: np.sqrt(1 + (u - data[:, k]) ** 2).sum(), 70.0, tol=1e-10)
        np.testing.assert_allclose(rescued.u[0, lane], best.x, atol=1e-3)


def test_a_few_iterations_tell_on_coarse_data_which_start_is_better():
    data = np.random.default_rng(5).normal(0.0, 1.0, (400, 4))
    u, value = Engine(Valley(False), block_size=4).try_starts(
        data, _free(np.array([[0.5, 30.0, 0.5, 30.0]]), 99.0), 3
    )
    assert value[0] < value[1]
    assert value[2] < value[3]
    assert u.dtype == np.float64
    np.testing.assert_allclose(u[0, [1, 3]], 27, atol=1.1)  # three steps of one unit each


def test_a_kind_of_information_that_an_objective_does_not_have_is_named():
    data, u = _quadratic(2, 3, 1.0, seed=6), np.zeros((2, 3))
    with pytest.raises(ValueError, match="Quadratic has no information of the kind 'fisher'"):
        covariance(
            Quadratic(2), data, np.ones((1, 3), bool), u, np.ones(u.shape, bool), kind="fisher"
        )
