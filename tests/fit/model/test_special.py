"""The special functions are as precise as the library's, and so are their derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pipeline.fit.model.special import angle, fast_log

X = np.concatenate([[1.0, 2.0, 0.5, 3.0], np.geomspace(1e-300, 1e300, 4001)])


def test_the_logarithm_is_that_of_the_library():
    np.testing.assert_allclose(fast_log(jnp.asarray(X)), np.log(X), rtol=5e-16, atol=5e-16)
    assert np.isnan(fast_log(jnp.asarray([0.0, -1.0, np.inf, np.nan]))).all()
    single = fast_log(jnp.asarray(X[:4], jnp.float32))
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, np.log(X[:4]), rtol=1e-6)


def test_the_derivative_of_the_logarithm():
    slope = jax.vmap(jax.grad(fast_log))(jnp.asarray(X[:100]))
    np.testing.assert_allclose(slope, 1 / X[:100], rtol=1e-15)


@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_the_angle_is_arctan2_also_where_squares_underflow(scale):
    rng = np.random.default_rng(1)
    y = scale * np.exp(rng.normal(size=2000) * 4)
    x = scale * rng.normal(size=2000) * np.exp(rng.normal(size=2000) * 4)
    np.testing.assert_allclose(angle(jnp.asarray(y), jnp.asarray(x)), np.arctan2(y, x), rtol=6e-16)
    by_y, by_x = jax.vmap(jax.grad(angle, argnums=(0, 1)))(jnp.asarray(y), jnp.asarray(x))
    norm = np.hypot(x, y)
    np.testing.assert_allclose(by_y, x / norm / norm, rtol=1e-13, atol=0)
    np.testing.assert_allclose(by_x, -y / norm / norm, rtol=1e-13, atol=0)
