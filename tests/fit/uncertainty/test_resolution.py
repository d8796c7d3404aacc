"""Peaks beside their bins: what is not resolved is a result with a limit, and says so."""

import numpy as np
import pytest

from pipeline.config.fit import FitOptions
from pipeline.config.survey import validate
from pipeline.fit import Model, driver
from pipeline.fit.uncertainty.resolution import bin_widths, places
from pipeline.status import Flag

EDGES = np.geomspace(0.1, 50, 181)
LOW, HIGH = EDGES[:-1], EDGES[1:]


@pytest.fixture
def bins(binned):
    return binned(EDGES, 400)


def _fit(rows, **told):
    told = {"models": {"sum": ["constant", {"lorentzian": {"up_to": 3}}]}, **told}
    models, parameters, *_ = driver.fit_rows(
        rows, validate({"min_delta_bic": 10, **told}, FitOptions)
    )
    return models, parameters


def test_places_of_every_sort_of_peak():
    model = Model.from_components("m", ["constant", "lorentzian", "lorentzian_numax", "gaussian"])
    u = np.log([[1.0], [1.0], [4.0], [0.5], [1.0], [4.0078], [8.0], [1.0], [4.0], [0.5]])
    frequency, fwhm = places(model, u)
    np.testing.assert_allclose(frequency[1:, 0], 4.0, rtol=1e-4)
    np.testing.assert_allclose(fwhm[1:, 0], [0.5, 0.5, 0.5 * 2.3548], rtol=1e-3)
    assert np.isnan(frequency[0, 0])


def test_the_bin_of_a_frequency():
    grid, widths = (np.repeat(a[:, None], 2, axis=1) for a in ((LOW + HIGH) / 2, HIGH - LOW))
    found = bin_widths(np.array([[0.1, 10.0], [np.nan, 50.0]]), grid, widths)
    np.testing.assert_allclose(
        found[0], [widths[0, 0], 10 * np.log(EDGES[1] / EDGES[0])], rtol=0.03
    )
    assert np.isnan(found[1, 0])
    assert found[1, 1] == widths[-1, 0]


def test_a_peak_narrower_than_its_bin_is_found_with_its_variance_and_a_limit_of_its_width(bins):
    """Twelve lines anywhere in their bins, a tenth of them wide."""
    rng = np.random.default_rng(1)
    lines = rng.uniform(4, 8, 12)
    rows = [
        bins.row(f"s{k}", 0.002 + bins.lorentzian(0.004, f, 0.02), rng) for k, f in enumerate(lines)
    ]
    models, parameters = _fit(rows)
    assert {m["status"] for m in models} == {"ok"}
    assert all(m["flags"] & Flag.UNRESOLVED for m in models)
    for k, frequency in enumerate(lines):
        own = [p for p in parameters if p["source_id"] == f"s{k}"]
        found = {p["parameter"]: p for p in own if p["component"] == "lorentzian.1"}
        width = (HIGH - LOW)[np.argmin(abs(LOW + HIGH - 2 * frequency))]
        assert abs(found["frequency"]["value"] - frequency) < 0.6 * width
        assert 0.02 < found["fwhm"]["upper_limit"] < 2 * width
        assert found["variance"]["value"] == pytest.approx(0.004, rel=0.35)


def test_a_peak_as_wide_as_several_bins_is_resolved(bins):
    rng = np.random.default_rng(2)
    models, _ = _fit([bins.row("s", 0.002 + bins.lorentzian(0.01, 6.0, 1.0), rng)])
    assert models[0]["status"] == "ok"
    assert not models[0]["flags"] & Flag.UNRESOLVED


def test_noise_centred_on_zero_is_no_fit_at_a_bound(bins):
    """A Lorentzian whose frequency ends at the lowest one is what band-limited noise looks like."""
    rng = np.random.default_rng(3)
    rows = [bins.row(f"s{k}", 0.002 + bins.lorentzian(0.04, 0.0, 4.0), rng) for k in range(6)]
    models, parameters = _fit(rows)
    assert {m["status"] for m in models} == {"ok"}
    held = [p for p in parameters if p["parameter"] == "frequency" and p["at_bound"]]
    assert held  # the row says it, the fit is none the worse


def test_a_bound_that_somebody_set_is_one(bins):
    rng = np.random.default_rng(4)
    row = bins.row("s", 0.002 + bins.lorentzian(0.01, 6.0, 0.3), rng)
    peak = {"lorentzian": {"fwhm": {"bounds": [0.8, 5.0]}}}
    models, _ = _fit([row], models={"set": ["constant", peak]})
    assert models[0]["status"] == "at_bound"


@pytest.mark.slow
def test_the_model_is_averaged_where_bins_differ_in_width(bins):
    """A line between the middles of two bins would be nothing to a model taken at their middles."""
    rng = np.random.default_rng(5)
    k = 120
    row = bins.row("s", 0.002 + bins.lorentzian(0.004, HIGH[k], 0.01), rng)
    for average, expected in (("auto", True), (False, False)):
        _, parameters = _fit([row], bin_average=average)
        value = {p["parameter"]: p["value"] for p in parameters if p["component"] == "lorentzian.1"}
        found = value["variance"] == pytest.approx(0.004, rel=0.3)
        assert found == expected
