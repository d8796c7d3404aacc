"""R-hat and effective sizes: known correlations, and the numbers that ArviZ 0.23 gives."""

import numpy as np
import pytest

from pipeline.fit.uncertainty.diagnostics import diagnose, ess, normalised


def _autoregressive(rng, rho, shape):
    noise = rng.standard_normal(shape)
    x = np.empty_like(noise)
    x[0] = noise[0]
    for t in range(1, len(x)):
        x[t] = rho * x[t - 1] + np.sqrt(1 - rho**2) * noise[t]
    return x


def _cases():
    rng = np.random.default_rng(5)
    return {
        "white": _autoregressive(rng, 0.0, (400, 4)),
        "slow": _autoregressive(rng, 0.9, (500, 4)),
        "antithetic": _autoregressive(rng, -0.6, (300, 2)),
        "apart": _autoregressive(rng, 0.5, (401, 4)) + 0.3 * np.arange(4),
        "cauchy": rng.standard_cauchy((250, 4)),
        "ties": np.round(_autoregressive(rng, 0.3, (400, 4))),
    }


ARVIZ = {
    "white": (0.99995368, 1423.12006, 1570.98661, 1424.68937),
    "slow": (1.04932033, 99.2530406, 240.849022, 98.0428736),
    "antithetic": (0.99777550, 1666.89075, 528.343226, 1666.89075),
    "apart": (1.09522056, 33.4086449, 383.144931, 32.7713338),
    "cauchy": (1.00061793, 1056.24555, 992.822098, 939.634537),
    "ties": (1.00167692, 874.279068, 1455.40950, 872.253796),
}


@pytest.mark.parametrize("name", ARVIZ)
def test_numbers_are_those_of_arviz(name):
    draws = _cases()[name]
    # chains that stay apart are never uncorrelated; where the sum then ends is a convention
    tolerance = 0.02 if name == "apart" else 1e-6
    found = [*diagnose(draws), ess(draws)]
    np.testing.assert_allclose(found, ARVIZ[name], rtol=tolerance)


@pytest.mark.parametrize("rho", [-0.5, 0.0, 0.5, 0.9])
def test_effective_size_of_an_autoregression_is_known(rho):
    """N (1 - rho) / (1 + rho) for the mean; the median of 200 estimates."""
    draws = _autoregressive(np.random.default_rng(6), rho, (1000, 4, 200))
    expected = 4000 * (1 - rho) / (1 + rho)
    assert np.median(ess(draws)) == pytest.approx(expected, rel=0.06)
    found = diagnose(draws)
    assert np.median(found.ess_bulk) == pytest.approx(expected, rel=0.06)
    assert np.median(found.r_hat) < 1.01 + 0.02 * (rho == 0.9)


def test_chains_that_disagree_are_found():
    rng = np.random.default_rng(7)
    white = rng.standard_normal((400, 4))
    there = {
        "elsewhere": white + np.array([0, 0, 0, 1.0]),
        "wider": white * np.array([1, 1, 1, 3.0]),
        "drifting": white + np.linspace(-1, 1, 400)[:, None],
    }
    assert diagnose(white).good
    for name, draws in there.items():
        found = diagnose(draws)
        assert found.r_hat > 1.05, name
        assert not found.good, name


def test_each_parameter_is_diagnosed_by_itself_and_constants_are_nothing():
    draws = np.random.default_rng(8).standard_normal((100, 4, 3, 2))
    draws[:, :, 1, 0] = 2.5
    draws[3, 0, 2, 1] = np.nan
    found = diagnose(draws)
    assert found.r_hat.shape == (3, 2)
    np.testing.assert_allclose(found.ess_bulk[0, 1], diagnose(draws[:, :, 0, 1]).ess_bulk)
    for values in found:
        assert np.isnan(values[1, 0])
        assert np.isnan(values[2, 1])
        assert np.isfinite(values).sum() == 4
    assert not found.good[1, 0]


def test_ranks_of_ties_are_shared():
    normal = normalised(np.array([[1.0, 2.0], [2.0, 3.0]]))
    assert normal[0, 1] == normal[1, 0] == pytest.approx(0.0)
    assert normal[0, 0] == -normal[1, 1]
