"""A tied parameter has the value and the error of another one, and no degree of freedom."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pipeline import tables
from pipeline.columns.spectra import SPECTRA
from pipeline.config.fit import FitOptions
from pipeline.config.models import ComponentOptions
from pipeline.config.survey import validate
from pipeline.fit import Batch, Engine, Grid, Model, driver, fit_model
from pipeline.fit.model.likelihood import terms
from pipeline.fit.objectives.power_spectrum import PowerSpectrum

GRID = np.geomspace(0.3, 40, 160)
HARMONIC = {"to": "lorentzian.1.frequency", "factor": 2}
HARMONICS = ["constant", "lorentzian", {"lorentzian": {"frequency": {"tied": HARMONIC}}}]
COUPLED = [
    {"power_law": {"slope": {"bounds": [0.1, 5]}}},
    {"lorentzian": {"fwhm": {"tied": {"to": "lorentzian.1.frequency", "factor": 0.2}}}},
    {"lorentzian": {"frequency": {"tied": HARMONIC}, "fwhm": {"tied": "lorentzian.1.frequency"}}},
    {"power_law": {"slope": {"tied": {"to": "power_law.1.slope", "factor": 0.5}}}},
    {"gaussian": {"width": {"scale": "linear"}, "frequency": {"tied": "gaussian.1.variance"}}},
    {"gaussian": {"width": {"tied": {"to": "gaussian.1.width", "factor": 3}}}},
]
"""Ties inside a component and between components, on log and linear scales, of several to one."""


def build(*told):
    return Model.from_components("tied", [ComponentOptions.model_validate(t) for t in told])


@pytest.fixture(scope="module")
def coupled():
    """The model, u, grid and active of one lane."""
    model = build(*COUPLED)
    u = np.random.default_rng(1).uniform(0.2, 0.9, (model.size, 1))
    grid = Grid.of(jnp.asarray(GRID[:, None]))
    return model, jnp.asarray(u), grid, np.ones((len(model.slots), 1), bool)


def test_values_are_those_of_the_other_parameter_times_the_factor(coupled):
    model, u, grid, active = coupled
    values = dict(zip(model.names, model.to_values(u)[:, 0], strict=True))
    assert values["lorentzian.1.fwhm"] == pytest.approx(0.2 * values["lorentzian.1.frequency"])
    assert values["lorentzian.2.frequency"] == pytest.approx(2 * values["lorentzian.1.frequency"])
    assert values["lorentzian.2.fwhm"] == pytest.approx(values["lorentzian.1.frequency"])
    assert values["power_law.2.slope"] == pytest.approx(values["power_law.1.slope"] / 2)
    assert values["gaussian.2.width"] == pytest.approx(3 * values["gaussian.1.width"])
    free = Model.from_components(
        "free", [c if isinstance(c, str) else next(iter(c)) for c in COUPLED]
    )
    same = np.array(list(values.values()))[:, None]
    same = np.where(free.is_log[:, None], np.log(same), same)
    expected = free.power(jnp.asarray(same), grid, active)
    np.testing.assert_allclose(model.power(u, grid, active), expected, rtol=1e-12)


def test_tangents_are_the_derivatives_of_the_power(coupled):
    model, u, grid, active = coupled
    power, tangents = model.power_and_tangents(u, grid, active)
    expected = jax.jacfwd(lambda v: model.power(v[:, None], grid, active)[:, 0])(u[:, 0])
    np.testing.assert_allclose(power, model.power(u, grid, active), rtol=1e-14)
    for p in range(model.size):
        np.testing.assert_allclose(tangents[p][:, 0], expected[:, p], rtol=1e-9, atol=1e-12)
    for tie in model.ties:
        assert not np.any(tangents[tie.row])
        assert np.any(tangents[tie.target])


def test_second_tangents_are_the_second_derivatives_of_the_power(coupled):
    model, u, grid, active = coupled
    second = model.second_tangents(u, grid, active)
    expected = jax.hessian(lambda v: model.power(v[:, None], grid, active)[:, 0])(u[:, 0])
    for i in range(model.size):
        for j in range(i, model.size):
            found = second[i, j][:, 0] if (i, j) in second else np.zeros(GRID.size)
            np.testing.assert_allclose(found, expected[:, i, j], rtol=1e-8, atol=1e-11)
    assert any(model.slot_of()[i] != model.slot_of()[j] for i, j in second)


def test_the_observed_information_is_the_hessian_of_the_likelihood(coupled, draw):
    model, u, _, active = coupled
    spectra, _ = draw(model, model.to_values(u)[:, 0], GRID, 20, 1, seed=2)

    def objective(v):
        power = model.power(v[:, None], Grid.of(spectra.frequency), active)
        return jnp.sum(terms("gamma", spectra.power, spectra.weight, power).deviance) / 2

    fitted = PowerSpectrum(model)
    found = fitted.information("observed", fitted.prepared(spectra), active, u)[:, :, 0]
    expected = jax.hessian(objective)(u[:, 0])
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8 * np.abs(expected).max())


def test_a_parameter_is_free_while_any_component_that_it_enters_is_there():
    model = build(*HARMONICS)
    frequency, tied = model.names.index(HARMONIC["to"]), model.names.index("lorentzian.2.frequency")
    active = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 1, 0]], bool)
    free = model.free(active)
    assert free[frequency].tolist() == [True, True, True, False]
    assert not free[tied].any()
    assert free.sum(axis=0).tolist() == [6, 4, 4, 1]


def test_a_model_with_ties_is_hashed_by_value():
    assert build(*HARMONICS) == build(*HARMONICS)
    assert hash(build(*HARMONICS)) == hash(build(*HARMONICS))
    assert build(*HARMONICS) != build("constant", "lorentzian", "lorentzian")
    with pytest.raises(KeyError, match="nothing"):
        build({"constant": {"level": {"tied": "nothing"}}})


@pytest.mark.slow
def test_a_harmonic_is_found_without_starts_and_sharpens_the_frequency(draw):
    free = Model.from_components("free", ["constant", "lorentzian", "lorentzian"])
    values = [0.01, 0.02, 4.0, 0.4, 0.012, 8.0, 0.8]
    spectra, u = draw(free, values, GRID, 300, 24, seed=3)
    widths = np.gradient(spectra.frequency, axis=0)
    model = build(*HARMONICS)
    one, both = (
        fit_model(Batch(Engine(PowerSpectrum(m), block_size=24), spectra, widths))
        for m in (free, model)
    )
    assert both.sound.all()
    assert (both.n_free == 6).all()
    np.testing.assert_allclose(both.bic - both.statistic, 6 * np.log(300 * GRID.size))
    np.testing.assert_allclose(both.aic - both.statistic, 12)
    np.testing.assert_allclose(both.fit.u[5], both.fit.u[2] + np.log(2), rtol=1e-12)
    errors = np.sqrt(np.einsum("iil->il", both.covariance))
    np.testing.assert_allclose(errors[5], errors[2], rtol=1e-9)
    np.testing.assert_allclose(both.covariance[2, 5], errors[2] ** 2, rtol=1e-9)
    pull = (both.fit.u - u) / errors
    assert (np.abs(pull) < 4).all()
    assert 0.7 < pull[[1, 2, 3, 4, 6]].std() < 1.3
    gain = np.sqrt(np.einsum("iil->il", one.covariance))
    first = np.argmin(one.fit.u[[2, 5]], axis=0) * 3 + 2
    assert np.median(errors[2] / gain[first, np.arange(24)]) < 0.95


@pytest.mark.slow
def test_rows_of_the_catalogue_show_a_tied_parameter_as_not_free():
    row = tables.empty_row(SPECTRA)
    edges = np.sqrt(GRID[1:] * GRID[:-1])
    n = np.full(GRID.size, 300.0)
    peaks = [(0.02, 4.0, 0.2), (0.012, 8.0, 0.4)]
    power = 0.01 + sum(v * d / np.pi / (d**2 + (GRID - c) ** 2) for v, c, d in peaks)
    row |= {
        **{"source_id": "s", "product": "p", "status": "ok", "norm": "frac", "n": n},
        "frequency": GRID,
        "frequency_lo": np.concatenate([[GRID[0] * 0.98], edges]),
        "frequency_hi": np.concatenate([edges, [GRID[-1] * 1.02]]),
        "power": np.random.default_rng(4).gamma(n, power / n),
        "power_err": np.array([]),
    }
    options = validate(
        {"models": {"m": HARMONICS}, "platform": "cpu", "block_size": 24}, FitOptions
    )
    models, parameters, curves, _ = driver.fit_rows([row], options)
    assert models[0]["n_free"] == 6
    assert "lorentzian.2.frequency" not in models[0]["parameter_names"]
    assert len(models[0]["covariance"]) == 36
    found = {(p["component"], p["parameter"]): p for p in parameters}
    first, second = (found[f"lorentzian.{k}", "frequency"] for k in (1, 2))
    assert (first["free"], second["free"], second["at_bound"]) == (True, False, False)
    for column in ("value", "err_lo", "err_hi"):
        assert second[column] == pytest.approx(2 * first[column], rel=1e-9)
    assert second["value"] == pytest.approx(8.0, abs=4 * second["err_hi"])
    assert second["unit"] == "Hz"
    assert found["lorentzian.2", "q"]["err_hi"] > 0
    parts = np.asarray(curves[0]["component_power"]).reshape(3, -1)
    assert GRID[np.argmax(parts[2])] == pytest.approx(8.0, rel=0.04)


def test_a_lorentzian_of_given_q_has_no_error_of_its_q(draw, parameters_of):
    model = build(
        "constant",
        {"lorentzian": {"fwhm": {"tied": {"to": "lorentzian.1.frequency", "factor": 0.1}}}},
    )
    spectra, _ = draw(model, [0.01, 0.02, 4.0, 0.4], GRID, 100, 3, seed=5)
    result = fit_model(
        Batch(
            Engine(PowerSpectrum(model), block_size=8),
            spectra,
            np.gradient(spectra.frequency, axis=0),
        )
    )
    row = {"source_id": "s", "product": "p", "norm": "frac", "dt": np.nan}
    row |= {"frequency_lo": GRID[:-1], "frequency_hi": GRID[1:]}
    found = {p["parameter"]: p for p in parameters_of([row], result)[0]}
    assert found["q"]["value"] == pytest.approx(10.0)
    assert np.isnan(found["q"]["err_hi"])
    assert found["frequency"]["value"] == pytest.approx(4.0, abs=4 * found["frequency"]["err_hi"])
    assert found["nu_max"]["err_hi"] == pytest.approx(found["frequency"]["err_hi"], rel=0.01)
