"""p-values of a peak are uniform where there is none, small where there is one, and never zero."""

import numpy as np
import pytest
from scipy import stats

from pipeline.config.fit import FitOptions
from pipeline.config.survey import validate
from pipeline.fit import Batch, Engine, Model, PowerSpectrum, driver, fit_model
from pipeline.fit.significance import detection, montecarlo
from pipeline.fit.significance.montecarlo import Method

GRID = np.linspace(0.1, 12.8, 128)
NULL, PEAK = ["power_law", "constant"], ["power_law", "constant", "lorentzian"]
TRUTH = [1.0, 1.4, 2.0]


def _test(spectra, seeds, **options):
    """Fit the null and test for a Lorentzian."""
    widths = np.full_like(spectra.power, GRID[1] - GRID[0])
    null = fit_model(
        Batch(Engine(PowerSpectrum(Model.from_components("null", NULL))), spectra, widths)
    )
    engine = Engine(PowerSpectrum(Model.from_components("peak", PEAK)), precision="float32")
    return detection.detect_peak(Batch(engine, spectra, widths), null, seeds, **options)


@pytest.mark.parametrize("n", [pytest.param(1, marks=pytest.mark.slow), 50])
def test_p_values_are_uniform_where_there_is_no_peak(n, draw, spread):
    """250 sources; the benchmark `detection` has 2,000, and bending power laws."""
    model = Model.from_components("null", NULL)
    spectra, _ = draw(model, TRUTH, GRID, n, 250, seed=50 + n)
    found = _test(spectra, range(250), draws=200, enough=10)
    assert np.isfinite(found.p.p_value).all()
    p = spread(found.p, 10, np.random.default_rng(1))
    assert stats.kstest(p, "uniform").pvalue > 0.01
    alarms = int((found.p.p_value <= 0.05).sum())
    assert stats.binomtest(alarms, 250, 0.05).pvalue > 0.01


def test_a_peak_that_is_there_has_a_small_p_value_and_its_draws_are_few_where_it_is_not(draw):
    model = Model.from_components("peak", PEAK)
    loud, _ = draw(model, [*TRUTH, 4.0, 6.0, 0.6], GRID, 50, 4, seed=60)
    quiet, _ = draw(model, [*TRUTH, 1e-9, 6.0, 0.6], GRID, 50, 4, seed=61)
    told = {"draws": 250, "enough": 10}
    found = [_test(s, range(4), **told) for s in (loud, quiet)]
    assert (found[0].p.p_value < 1e-4).all()
    assert set(found[0].p.method) <= {Method.EXTRAPOLATED, Method.BELOW}
    assert (found[0].p.p_value >= montecarlo.LEAST_P).all()
    assert (found[0].p.draws == 250).all()
    assert (found[1].p.p_value > 0.01).all()
    assert found[1].p.draws.sum() < 1000


def test_a_test_depends_on_its_seed_and_not_on_its_neighbours(draw):
    spectra, _ = draw(Model.from_components("null", NULL), TRUTH, GRID, 20, 5, seed=62)
    seeds = [[3, k] for k in range(5)]
    told = {"draws": 120, "enough": 15}
    together, alone = _test(spectra, seeds, **told), _test(spectra.take([2]), [seeds[2]], **told)
    assert alone.p.p_value[0] == together.p.p_value[2]
    assert alone.p.draws[0] == together.p.draws[2]
    small_batches = _test(spectra, seeds, batch_size=64, **told)
    np.testing.assert_array_equal(small_batches.p.p_value, together.p.p_value)
    other = _test(spectra, range(5), **told)
    assert (other.p.p_value != together.p.p_value).any()


def test_a_spectrum_that_cannot_be_fitted_has_no_p_value(draw):
    spectra, _ = draw(Model.from_components("null", NULL), TRUTH, GRID, 20, 3, seed=63)
    spectra.power[4, 1] = np.nan
    found = _test(spectra, range(3), draws=60, enough=10)
    assert np.isnan(found.p.p_value[1])
    assert found.p.method[1] is Method.NONE
    assert np.isfinite(found.p.p_value[[0, 2]]).all()


def test_p_counts_the_data_among_the_draws_and_failed_draws_are_in_neither():
    draws = np.array([1.0, 5.0, np.nan, 3.0, 0.0])
    found = montecarlo._judge(4.0, draws, 10, np.random.default_rng(1))
    assert (found.p_value, found.draws, found.reached, found.failed) == (2 / 5, 4, 1, 1)
    assert found.method is Method.SIMULATED
    draws = np.array([0.0, 9.0, 0.0, 9.0, 9.0, 9.0])
    found = montecarlo._judge(4.0, draws, 3, np.random.default_rng(1))
    # what came after the third does not count
    assert (found.p_value, found.draws, found.reached) == (3 / 5, 5, 3)
    assert found.method is Method.SEQUENTIAL


@pytest.mark.parametrize("law", [stats.expon(scale=2), stats.chi2(3)], ids=["exponential", "chi2"])
def test_an_extrapolated_tail_is_right_within_its_error(law):
    """1,000 draws and a value of which they have none, with p = 1e-5."""
    rng = np.random.default_rng(64)
    value, off, errors = law.isf(1e-5), [], []
    for _ in range(120):
        sample = law.rvs(1000, random_state=rng)
        p, error = montecarlo.extrapolate(sample, value, rng)
        off.append(np.log10(p) + 5)
        errors.append(error)
    off, errors = np.array(off), np.array(errors)
    assert abs(np.median(off)) < 0.35
    assert (np.abs(off) < 2 * errors).mean() > 0.8


def test_the_stage_writes_the_test_beside_the_model_without_the_peak():
    rng = np.random.default_rng(65)
    grid = np.geomspace(0.5, 20, 120)
    qpo = 0.02 * 0.2 / np.pi / (0.2**2 + (grid - 5) ** 2)
    rows = []
    for k, power in enumerate((0.01 * grid**-1.3 + 0.004, 0.01 * grid**-1.3 + 0.004 + qpo)):
        rows.append(
            {
                "source_id": f"s{k}",
                "product": "p",
                "status": "ok",
                "reason": "",
                "norm": "frac",
                "frequency": grid,
                "frequency_lo": grid * 0.985,
                "frequency_hi": grid * 1.015,
                "power": rng.gamma(60, power / 60),
                "n": np.full(grid.size, 60.0),
                "power_err": np.array([]),
                "mean_rate": np.nan,
                "background_rate": np.nan,
                "dt": np.nan,
            }
        )
    options = validate(
        {
            "models": {"noise": ["constant"], "red": ["constant", "power_law"]},
            "detection": {
                "component": {"lorentzian_numax": {"q": {"bounds": [2, 100]}}},
                "draws": 200,
                "enough": 10,
            },
        },
        FitOptions,
    )
    models, *_ = driver.fit_rows(rows, options)
    tested = {m["source_id"]: m for m in models if np.isfinite(m["lrt_p_value"])}
    assert [m["model"] for m in tested.values()] == ["red", "red"]
    assert tested["s0"]["lrt_p_value"] > 0.01
    assert tested["s1"]["lrt_p_value"] < 1e-3
    assert tested["s1"]["lrt_method"] in ("extrapolated", "below")
    assert len(tested["s1"]["limit_rms"]) == 0
    assert len(tested["s0"]["limit_frequency"]) == 12
    rms = tested["s0"]["limit_rms"]
    assert ((rms > 0.01) & (rms < 0.2)).all()
    assert rms[5] < np.sqrt(0.02)  # that of the peak of the other source


def test_limits_of_a_peak_that_is_not_there_hold(draw):
    """A peak of known place and shape in 300 spectra: 95 % limits hold in 95 %.

    Where the peak is hardly one sigma strong they hold more often: the amplitude cannot be negative.
    """
    places = np.array([[1.0, 3.0, 0.3], [1.0, 6.0, 0.6], [1.0, 10.0, 1.0]])[:, :, None]
    model = Model.from_components("peak", PEAK)
    engine = Engine(PowerSpectrum(model), precision="float32")
    for variance in (1e-6, 0.15, 0.45):
        spectra, _ = draw(model, [*TRUTH, variance, 6.0, 0.6], GRID, 50, 300, seed=66)
        widths = np.full_like(spectra.power, GRID[1] - GRID[0])
        null = fit_model(
            Batch(Engine(PowerSpectrum(Model.from_components("null", NULL))), spectra, widths)
        )
        told = Batch(engine, spectra, widths), null, np.repeat(places, 300, axis=2)
        limit = detection.amplitude_limits(*told)
        assert np.isfinite(limit).mean() > 0.99
        held = np.nan_to_num(limit[1], nan=np.inf) >= variance
        if variance > 0.4:
            assert stats.binomtest(int(held.sum()), 300, 0.95).pvalue > 0.01
        else:
            assert held.mean() >= 0.95
    few = detection.amplitude_limits(*told, batch_size=100)
    np.testing.assert_allclose(few, limit, rtol=2e-2)
