"""Fits from Python: arrays and Stingray's spectra give the same, and nothing in a spectrum raises."""

import os
import subprocess
import sys
import warnings

import jax.numpy as jnp
import numpy as np
import pytest

from pipeline.fit import Model, fit_spectra
from pipeline.status import Status

GRID = np.linspace(0.05, 12, 240)
TRUTH = {"power_law.1.slope": 1.4, "lorentzian.1.frequency": 5.0, "lorentzian.1.fwhm": 0.5}
MODEL = ["power_law", "lorentzian", "constant"]


@pytest.fixture(scope="module")
def drawn():
    """Powers of 60 spectra, shape (spectra, bins), of 30 averaged ordinates a bin."""
    expected = 0.3 * GRID**-1.4 + 2 + 1.5 * 0.25 / np.pi / (0.25**2 + (GRID - 5) ** 2)
    return np.random.default_rng(1).gamma(30, expected / 30, (60, GRID.size))


@pytest.fixture(scope="module")
def result(drawn):
    """Their fit."""
    return fit_spectra(MODEL, drawn, GRID, n=30)


def test_parameters_have_names_and_errors_that_fit_their_scatter(result):
    assert len(result) == 60
    assert result.ok.all()
    assert set(result.status) == {Status.OK}
    for name, truth in TRUTH.items():
        value, lower, upper = result[name]
        pulls = (value - truth) / np.where(value > truth, lower, upper)
        assert abs(pulls.mean()) < 4 / np.sqrt(60), name
        # the standard deviation of 60 draws has a relative error of 9 %
        assert 0.64 < pulls.std() < 1.36, name
    with pytest.raises(KeyError, match=r"no parameter 'slope'; there are power_law\.1\.amplitude"):
        result["slope"]


def test_the_covariance_is_that_of_the_errors(result):
    sigma = np.sqrt(np.einsum("sii->si", result.covariance))
    upper = np.where(result.model.is_log, result.values * np.expm1(sigma), sigma)
    np.testing.assert_allclose(result.err_hi, upper, rtol=1e-12)
    np.testing.assert_allclose(result.aic, result.statistic + 12)
    np.testing.assert_allclose(result.bic, result.statistic + 6 * np.log(30 * GRID.size))


def test_a_spectrum_of_stingray_is_fitted_as_its_arrays_are(drawn, result):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says on import of packages that it can do without
        from stingray import Powerspectrum
    spectra = []
    for power in drawn[:3]:
        spectrum = Powerspectrum()
        spectrum.freq, spectrum.power, spectrum.m, spectrum.df = GRID, power, 30, GRID[1] - GRID[0]
        spectra.append(spectrum)
    several, one = fit_spectra(MODEL, spectra), fit_spectra(MODEL, spectra[1])
    np.testing.assert_allclose(several.values, result.values[:3], rtol=1e-4)
    np.testing.assert_allclose(one.values[0], several.values[1], rtol=1e-4)
    with pytest.raises(ValueError, match="bring their own"):
        fit_spectra(MODEL, spectra, n=30)


def test_bad_spectra_have_a_reason_and_the_others_do_not_notice(drawn, result):
    power = drawn[:4].copy()
    power[1] = np.nan
    power[2, 5:] = -1.0
    n = np.full(power.shape, 30.0)
    n[3] = 0
    some = fit_spectra(MODEL, power, GRID, n=n)
    assert some.status == (Status.OK, *[Status.BAD_SPECTRUM] * 3)
    assert some.reason == (
        "",
        "0 usable frequency bins, 8 are needed",
        "5 usable frequency bins, 8 are needed",
        "0 usable frequency bins, 8 are needed",
    )
    np.testing.assert_allclose(some.values[0], result.values[0], rtol=1e-4)
    assert np.isnan(some.values[1:]).all()
    assert np.isnan(some.statistic[1:]).all()


def test_zero_frequency_and_gaps_are_left_out(drawn, result):
    gap = np.insert(drawn[:2], [0, 100], [7.0, np.nan], axis=1)
    frequency = np.insert(GRID, [0, 100], [0.0, GRID[99]])
    some = fit_spectra(MODEL, gap, frequency, n=30, width=GRID[1] - GRID[0])
    np.testing.assert_allclose(some.values, result.values[:2], rtol=1e-4)


def test_errors_alone_take_the_gaussian_likelihood_and_counts_poissons(drawn):
    model = Model.from_components("noise", ["constant"])
    weighted = fit_spectra(model, drawn[:3], GRID, error=0.5)
    np.testing.assert_allclose(
        weighted["constant.1.level"].value, drawn[:3].mean(axis=1), rtol=1e-7
    )
    expected = np.full(3, 0.5 / np.sqrt(GRID.size))
    lower, upper = weighted["constant.1.level"][1:]
    np.testing.assert_allclose((lower + upper) / 2, expected, rtol=1e-3)
    counts = np.random.default_rng(2).poisson(0.7, (3, GRID.size))
    rate = fit_spectra(model, counts / 10.0, GRID, n=10.0, likelihood="poisson")
    level = rate["constant.1.level"]
    np.testing.assert_allclose(level.value, counts.mean(axis=1) / 10, rtol=1e-4)
    relative = 1 / np.sqrt(counts.sum(axis=1))
    np.testing.assert_allclose((level.err_lo + level.err_hi) / 2 / level.value, relative, rtol=1e-2)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"frequency": GRID}, "give either n"),
        ({"frequency": GRID, "n": 3, "error": 1.0}, "give either n"),
        ({"n": 3}, "give the frequency"),
        ({"frequency": GRID[:-1], "n": 3}, r"frequency has shape \(239,\), power .* \(60, 240\)"),
        ({"frequency": GRID, "n": 3, "likelihood": "whittle"}, "no likelihood 'whittle'"),
    ],
)
def test_what_does_not_go_together_is_said(drawn, told, message):
    with pytest.raises(ValueError, match=message):
        fit_spectra(MODEL, drawn, **told)


SMALL = np.linspace(0.1, 5, 60)


@pytest.fixture(scope="module")
def small():
    """Two spectra of red noise in 60 bins, n = 40, and their fit."""
    power = np.random.default_rng(8).gamma(40, (1 + 0.5 / SMALL) / 40, (2, SMALL.size))
    return power, fit_spectra(["constant", "power_law"], power, SMALL, n=40)


def same(result, other):
    np.testing.assert_allclose(result.values, other.values, rtol=1e-6)
    np.testing.assert_allclose(result.err_hi, other.err_hi, rtol=1e-5)


RED = ["constant", "power_law"]


def test_what_is_masked_is_left_out(small):
    power, _ = small
    hidden = np.zeros(power.shape, bool)
    hidden[:, 7] = True
    gone = fit_spectra(RED, np.where(hidden, np.nan, power), SMALL, n=40)
    masked = np.ma.MaskedArray(np.where(hidden, 1e9, power), hidden)
    same(fit_spectra(RED, masked, SMALL, n=40), gone)
    same(fit_spectra(RED, list(masked), SMALL, n=40), gone)
    whole = np.ma.MaskedArray(np.where(hidden, -7, 40), hidden)  # of integers, that know no NaN
    same(fit_spectra(RED, power, SMALL, n=whole), gone)
    frequency = np.ma.MaskedArray(np.where(hidden[0], 1e20, SMALL), hidden[0])
    got = fit_spectra(RED, power, frequency, n=40)
    np.testing.assert_allclose(got.values, gone.values, rtol=1e-6)
    error = np.ma.MaskedArray(np.where(hidden, 0.001, 0.2), hidden)
    same(
        fit_spectra(RED, power, SMALL, error=error),
        fit_spectra(RED, power, SMALL, error=np.where(hidden, np.nan, 0.2)),
    )


def test_an_error_that_is_not_positive_leaves_its_bin_out(small):
    power, _ = small
    for wrong in (0.0, -0.2, np.inf, np.nan):
        error = np.full(power.shape, 0.2)
        error[:, 7] = wrong
        given = np.where(np.arange(SMALL.size) == 7, 1e6, power)
        got = fit_spectra(RED, given, SMALL, error=error)
        assert (got["constant.1.level"].value < 10).all()


def test_frequencies_may_come_in_any_order(small):
    power, result = small
    order = np.random.default_rng(1).permutation(SMALL.size)
    same(fit_spectra(RED, power[:, order], SMALL[order], n=np.full(60, 40)[order]), result)
    same(fit_spectra(RED, power[:, ::-1], SMALL[::-1], n=40), result)


def test_quantities_are_converted_or_refused(small):
    """As Astropy makes them; this file of the pipeline does not import it, the package under test neither."""
    units = pytest.importorskip("astropy.units")
    power, result = small
    days = (SMALL * 86400) / units.d
    same(fit_spectra(RED, power / units.Hz, SMALL * units.Hz, n=40), result)
    same(fit_spectra(RED, power * 1e-3 / units.mHz, days, n=40 * units.one), result)
    same(fit_spectra(RED, power * units.one, SMALL * 1e6 * units.uHz, n=40), result)
    same(fit_spectra(RED, [p * 1e-3 / units.mHz for p in power], days, n=40), result)
    errors = 0.2 * power
    told = {"error": errors * 1e-3 / units.mHz}
    same(
        fit_spectra(RED, power / units.Hz, SMALL * units.Hz, **told),
        fit_spectra(RED, power, SMALL, error=errors),
    )
    for wrong, message in (
        ({"frequency": SMALL * units.s}, "frequency is in s, which is not a unit of it: give Hz"),
        ({"power": power * units.ct}, "power is in ct, which is not a unit of it: give 1/Hz or a"),
        ({"n": 40 * units.s}, "n is in s, .* give a number without a unit"),
        ({"error": 0.2 / units.Hz, "n": None}, "error is in 1 / Hz"),
        ({"width": 0.1 * units.m}, "width is in m"),
    ):
        told = {"power": power, "frequency": SMALL, "n": 40} | wrong
        with pytest.raises(ValueError, match=message):
            fit_spectra(RED, told.pop("power"), **told)


def test_columns_of_tables_and_masked_quantities_are_taken(small):
    table = pytest.importorskip("astropy.table")
    units = pytest.importorskip("astropy.units")
    masked = pytest.importorskip("astropy.utils.masked")
    power, _ = small
    hidden = np.arange(SMALL.size) == 7
    gone = fit_spectra(RED, np.where(hidden, np.nan, power[0]), SMALL, n=40)
    frequency = table.Column(SMALL * 1e3, unit="mHz")
    column = table.MaskedColumn(np.where(hidden, 1e9, power[0]), mask=hidden)
    same(fit_spectra(RED, column, frequency, n=40), gone)
    column = table.MaskedColumn(np.where(hidden, 1e9, power[0]), mask=hidden, unit="1/Hz")
    same(fit_spectra(RED, column, frequency, n=40), gone)
    quantity = masked.Masked(np.where(hidden, 1e9, power[0]) / units.Hz, mask=hidden)
    same(fit_spectra(RED, quantity, frequency, n=40), gone)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"power": np.ones((2, 60), complex)}, "power is complex, as a cross spectrum"),
        ({"frequency": SMALL + 0j}, "frequency is complex"),
        ({"power": [np.ones(60), np.ones(50)]}, "power is not an array of numbers .* with NaN"),
        ({"power": ["a", "b"]}, "power is not an array of numbers"),
        ({"power": np.ones((2, 3, 60))}, r"power has shape \(2, 3, 60\), not \(spectra, bins\)"),
        ({"n": "many"}, "n is not an array of numbers"),
        ({"platform": "cuda"}, "no platform 'cuda'; there are auto, cpu, gpu"),
        ({"precision": "double"}, "no precision 'double'; there are float64, float32"),
    ],
)
def test_what_cannot_be_taken_is_refused_in_words(wrong, message):
    told = {"power": np.ones((2, 60)), "frequency": SMALL, "n": 40} | wrong
    with pytest.raises(ValueError, match=message):
        fit_spectra(RED, told.pop("power"), **told)


def test_a_cross_spectrum_of_stingray_is_refused_in_words():
    class Crossspectrum:
        freq, power, m = SMALL, np.ones(SMALL.size, complex), 40

    with pytest.raises(ValueError, match="power is complex, as a cross spectrum"):
        fit_spectra(RED, Crossspectrum())


@pytest.mark.parametrize(
    "model",
    [
        ("constant", "power_law"),
        ["constant", {"power_law": {}}],
        ["constant", {"power_law": {"slope": {"bounds": [-1, 6]}}}],
        {"constant": None, "power_law": {"slope": {"bounds": [-1, 6]}}},
        {"red": ["constant", "power_law"]},
        {"red": [{"name": "constant"}, {"name": "power_law", "parameters": {}}]},
    ],
)
def test_a_model_may_be_written_as_in_a_configuration(model, small):
    power, result = small
    got = fit_spectra(model, power, SMALL, n=40)
    assert got.names == result.names
    np.testing.assert_allclose(got.values, result.values, rtol=1e-4)
    name = got.model.name
    assert name == ("red" if isinstance(model, dict) and "red" in model else "model")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"a": ["constant"], "b": ["power_law"]},
            r"these are 2 models \(a, b\): fit one at a time",
        ),
        ({"constnat": {}}, "constnat"),
        (
            [{"power_law": {"slop": {"fixed": 1}}}],
            "'slop' is not a parameter of power_law; allowed",
        ),
        ([{"power_law": {"slope": {"bounds": [3, 1]}}}], "lo < hi"),
        ([{"constant": {}, "power_law": {}}], "a component is a name, or one"),
        ("constnat", "constnat"),
    ],
)
def test_a_model_that_is_not_right_is_said(model, message):
    with pytest.raises(ValueError, match=message):
        fit_spectra(model, np.ones((2, 60)), SMALL, n=40)


def test_one_name_is_a_model(small):
    got = fit_spectra("constant", small[0], SMALL, n=40)
    np.testing.assert_allclose(got["constant.1.level"].value, small[0].mean(axis=1), rtol=1e-6)


def test_a_result_is_shown_in_a_line(result, small):
    assert repr(result) == "<Result of 60 spectra: power_law.1 + lorentzian.1 + constant.1; 60 ok>"
    bad = fit_spectra("constant", np.full((3, 60), np.nan), SMALL, n=40)
    assert repr(bad) == "<Result of 3 spectra: constant.1; 3 bad_spectrum>"


LEFT = """
import jax, jax.numpy as jnp, numpy as np, os, sys, tempfile
jax.config.update("jax_num_cpu_devices", 3)
names = [
    "jax_enable_x64", "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes", "jax_cpu_enable_async_dispatch",
    "jax_default_device", "jax_platforms", "jax_num_cpu_devices",
]
def state():
    return [str(jax.config.values.get(name, getattr(jax.config, name, None))) for name in names]
before = state()
from pipeline.fit import fit_spectra
from pipeline.fit.engine import devices
folder = tempfile.mkdtemp()
devices.default_cache = lambda: folder
grid = np.linspace(0.1, 5, 40)
told = dict(frequency=grid, n=40)
fits = [
    fit_spectra("constant", np.ones((2, 40)), platform="cpu", precision=p, **told)
    for p in ("float64", "float32")
]
assert state() == before, (state(), before)
assert all(f.values.dtype == float and np.allclose(f.values, 1) for f in fits)
assert jnp.ones(2).dtype == "float32" and len(jax.devices()) == 3
kept = set(os.listdir(folder))
assert kept
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.jit(lambda x: jnp.linalg.norm(jnp.fft.fft(x)))(jnp.ones(2**10))
assert set(os.listdir(folder)) == kept  # the caller's own programs are not kept there
for call in (lambda: fit_spectra("constant", np.ones((2, 40)), platform="gpu", **told),
             lambda: devices.configure("gpu")):
    try:
        call()
    except RuntimeError as error:
        assert "platform 'gpu': JAX finds no such device here (it has: cpu)" in str(error), error
    else:
        assert any(d.platform == "gpu" for d in jax.devices())
try:
    fit_spectra(["constant"], np.ones((2, 40)), n_starts="x", **told)
except Exception:
    pass
assert jnp.ones(2).dtype == "float32"
"""


def test_jax_is_left_as_the_caller_has_it():
    """In a process of its own, where JAX has not started."""
    done = subprocess.run(
        [sys.executable, "-c", LEFT],
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_caller_with_double_precision_keeps_it():
    assert jnp.ones(2).dtype == "float64"
    fit_spectra("constant", np.ones((2, 60)), SMALL, n=40, precision="float32")
    assert jnp.ones(2).dtype == "float64"


@pytest.mark.slow
def test_wide_bins_want_the_mean_over_them():
    """A QPO two bins wide, and red noise: ordinates averaged ten at a time."""
    fine = 0.3 + 0.01 * np.arange(1200)
    expected = 0.3 * fine**-1.4 + 2 + 6 * 0.1 / np.pi / (0.1**2 + (fine - 5.03) ** 2)
    power = np.random.default_rng(5).gamma(200, expected / 200, (60, fine.size))
    grid, power = (a.reshape(*a.shape[:-1], -1, 10).mean(axis=-1) for a in (fine, power))
    told = {"frequency": grid, "n": 2000, "width": 0.1}
    pulls = {}
    for average in (False, True):
        fitted = fit_spectra(MODEL, power, **told, bin_average=average)
        value, lower, upper = fitted["power_law.1.slope"]
        pulls["slope", average] = ((value - 1.4) / np.where(value > 1.4, lower, upper)).mean()
        value, lower, upper = fitted["lorentzian.1.fwhm"]
        pulls["fwhm", average] = ((value - 0.2) / np.where(value > 0.2, lower, upper)).mean()
    assert abs(pulls["slope", True]) < 4 / np.sqrt(60), pulls
    assert abs(pulls["fwhm", True]) < 4 / np.sqrt(60), pulls
    assert pulls["fwhm", False] > 1, pulls


def test_an_interval_without_an_end_is_told_from_one_that_was_not_asked_for():
    frequency = np.geomspace(0.1, 10.0, 60)
    expected = 0.01 + 0.01 * frequency**1.5  # it rises more than a power law may, with slope -1
    power = np.random.default_rng(5).gamma(50, expected / 50, (3, 60))
    told = {"frequency": frequency, "n": 50.0}
    found = fit_spectra(["constant", "power_law"], power, **told, profile="weak")
    slope = found.names.index("power_law.1.slope")
    assert found.open_lo[:, slope].all()
    assert not found.open_hi[:, slope].any()
    assert np.isnan(found.err_lo[:, slope]).all()
    assert (found.upper_limit[:, slope] > -1).all()
    assert np.isnan(found.lower_limit).all()
