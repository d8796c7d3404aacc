"""Spectra of very many bins are fitted on fewer, and nothing of them is lost."""

import numpy as np
import pytest

from pipeline.config import FitOptions, validate
from pipeline.fit import driver
from pipeline.fit.shorten import shortened
from pipeline.status import Flag


def _row(power, n=None, error=None, df=0.01):
    grid = df * np.arange(1, len(power) + 1)
    return {
        "source_id": "s",
        "product": "p",
        "status": "ok",
        "reason": "",
        "norm": "frac",
        "frequency": grid,
        "frequency_lo": grid - df / 2,
        "frequency_hi": grid + df / 2,
        "power": power,
        "n": np.empty(0) if n is None else np.broadcast_to(n, len(power)),
        "power_err": np.empty(0) if error is None else error,
        "mean_rate": np.nan,
        "background_rate": np.nan,
        "dt": np.nan,
    }


@pytest.mark.parametrize("most", [64, 1000, 4999])
def test_bins_are_few_enough_and_join_without_gaps(most):
    rng = np.random.default_rng(1)
    row = _row(rng.gamma(4, 0.25, 5000), 4.0)
    short = shortened(row, most)
    assert 0.7 * most < len(short["power"]) <= most
    np.testing.assert_allclose(short["frequency_lo"][1:], short["frequency_hi"][:-1])
    assert short["frequency_lo"][0] == row["frequency_lo"][0]
    assert short["frequency_hi"][-1] == row["frequency_hi"][-1]
    width = short["frequency_hi"] - short["frequency_lo"]
    np.testing.assert_allclose(short["power"] @ width, row["power"].sum() * 0.01)
    np.testing.assert_allclose(short["n"], 4 * width / 0.01)
    assert (np.diff(np.round(width / 0.01)) >= -1).all()  # wider and wider, but for rounding


def test_a_short_spectrum_is_left_as_it_is():
    row = _row(np.ones(64), 4.0)
    assert shortened(row, 64) is row


def test_bins_without_a_number_or_weight_count_for_nothing():
    power = np.ones(1000)
    power[[500, 700]] = np.nan, 1e9
    n = np.full(1000, 4.0)
    n[700] = 0.0
    short = shortened(_row(power, n), 100)
    np.testing.assert_allclose(short["power"], 1.0)
    assert short["n"].sum() == 4 * 998


def test_errors_are_those_of_the_means():
    rng = np.random.default_rng(2)
    power, error = rng.normal(0.0, 0.5, (2000, 2000)), np.full(2000, 0.5)
    short = [shortened(_row(p, error=error), 100) for p in power[:300]]
    scatter = np.std([s["power"] for s in short], axis=0)
    np.testing.assert_allclose(scatter / short[0]["power_err"], 1.0, atol=0.2)


def test_a_spectrum_of_300_000_bins_is_fitted_on_as_many_as_the_configuration_allows():
    rng = np.random.default_rng(3)
    grid = 0.001 * np.arange(1, 300_001)
    qpo = 0.02 * 0.25 / np.pi / (0.25**2 + (grid - 30) ** 2)
    row = _row((0.01 + qpo) * rng.exponential(size=grid.size), 1.0, df=0.001)
    told = {"models": {"m": ["constant", "lorentzian"]}, "max_bins": 1024}
    (model,), parameters, (curve,), _ = driver.fit_rows([row], validate(told, FitOptions))
    assert model["n_bins"] <= 1024
    assert model["flags"] & Flag.REBINNED
    assert len(curve["power"]) == model["n_bins"]
    found = {p["parameter"]: p for p in parameters if p["component"] == "lorentzian.1"}
    assert found["frequency"]["value"] == pytest.approx(30, abs=0.1)
    assert found["fwhm"]["value"] == pytest.approx(0.5, rel=0.2)
