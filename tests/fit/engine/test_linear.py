"""Small systems are solved as LAPACK solves them, one a lane."""

import jax.numpy as jnp
import numpy as np
import pytest

from pipeline.fit.engine import linear


def _systems(size, lanes=5):
    rng = np.random.default_rng(size)
    half = rng.normal(size=(lanes, size, 2 * size))
    return half @ half.transpose(0, 2, 1), rng.normal(size=(lanes, size))


@pytest.mark.parametrize("size", [1, 6, linear.UNROLL + 5])
def test_solutions_and_inverses_are_those_of_lapack(size):
    matrices, right = _systems(size)
    ours = jnp.asarray(matrices.transpose(1, 2, 0))
    factors = linear.factor(ours)
    expected = np.linalg.solve(matrices, right[..., None])[..., 0]
    np.testing.assert_allclose(linear.solve(factors, right.T), expected.T, rtol=1e-9)
    inverses, pivot = linear.inverse(ours)
    np.testing.assert_allclose(inverses, np.linalg.inv(matrices).transpose(1, 2, 0), rtol=1e-8)
    last = 1 / np.diagonal(np.linalg.inv(matrices), axis1=1, axis2=2)
    assert (pivot > 0).all()
    assert (pivot <= last[:, -1] * (1 + 1e-9)).all()  # the last pivot is one of them


@pytest.mark.parametrize("size", [4, 12])
def test_a_matrix_that_is_not_positive_definite_has_a_pivot_that_says_so(size):
    matrices, _ = _systems(size, lanes=3)
    matrices[1] -= 2 * np.linalg.eigvalsh(matrices[1]).max() * np.eye(size)
    matrices[2] = np.outer(np.arange(1.0, size + 1), np.arange(1.0, size + 1))
    pivot = linear.factor(jnp.asarray(matrices.transpose(1, 2, 0))).pivot
    assert pivot[0] > 0
    assert (pivot[1:] <= 1e-12 * size**3).all()
