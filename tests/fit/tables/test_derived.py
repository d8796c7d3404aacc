"""Derived quantities of components and blends have the errors that follow from those of the parameters."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from pipeline.components import COMPONENTS
from pipeline.components.lorentzians import positive_fraction
from pipeline.components.quantities import Calibration
from pipeline.fit import Model
from pipeline.fit.tables import blends
from pipeline.fit.tables.derived import (
    Products,
    calibration_of,
    covariance_of_logs,
    derived_quantities,
    find_blends,
    log_error,
    rms_of,
)

EDGES = np.geomspace(0.5, 20, 221)
WIDTH = math.sqrt(8 * math.log(2))
"""FWHM of a Gaussian over its standard deviation."""


def spectrum(**more):
    """The columns of a SPECTRA row that derived quantities are computed from."""
    nothing = {"mean_rate": math.nan, "background_rate": math.nan, "dt": math.nan}
    return {
        "norm": "frac",
        "frequency_lo": EDGES[:-1],
        "frequency_hi": EDGES[1:],
        **nothing,
        **more,
    }


def fitted(components, values, covariance, lanes=1):
    """A fit without profiles, the same in all lanes; the covariance is of the logarithms."""
    model = Model.from_components("m", components)
    u = np.repeat(np.log(values)[:, None], lanes, axis=1)
    nothing = np.zeros(u.shape, bool)
    return SimpleNamespace(
        model=model,
        fit=SimpleNamespace(u=u, at_bound=nothing),
        covariance=np.repeat(covariance[:, :, None], lanes, axis=2),
        sound=np.ones(lanes, bool),
        active=np.ones((len(model.slots), lanes), bool),
        free=~nothing,
        undetermined=nothing.copy(),
        profiles=None,
        kind="observed",
    )


def by_name(result, rows, component=None):
    """Quantities of a fit by name, those of one component or blend."""
    found = derived_quantities(result, Products.of(rows))
    return {q.name: q for q in found if component in (None, q.component)}


def _fwhm(component, draws):
    """Centroid and width of draws of the parameters, by the formulas of Belloni et al. 2002."""
    if component == "envelope":
        return draws[:, 1], draws[:, 1] / draws[:, 2] / WIDTH
    if component != "lorentzian_numax":
        return draws[:, 1], draws[:, 2]
    half = draws[:, 1] / np.sqrt(1 + 4 * draws[:, 2] ** 2)
    return 2 * half * draws[:, 2], 2 * half


def _positive(component, frequency, width):
    """Fraction of the variance of a peak that is at positive frequencies."""
    if component in ("gaussian", "envelope"):
        return stats.norm.cdf(frequency / width)
    return 1.0 if component == "lorentz" else positive_fraction(frequency, width, np)


@pytest.mark.parametrize(
    ("component", "names"),
    [
        ("lorentzian", {"q", "nu_max", "rms", "peak_power"}),
        ("lorentz", {"q", "nu_max", "rms", "peak_power"}),
        ("lorentzian_numax", {"frequency", "fwhm", "rms", "peak_power"}),
        ("gaussian", {"fwhm", "q", "rms"}),
        ("envelope", {"fwhm", "rms"}),
    ],
)
def test_derived_quantities_have_the_errors_of_a_monte_carlo(component, names):
    values = np.array([0.02, 5.0, 1.2 if component in ("lorentzian_numax", "envelope") else 4.0])
    root = np.array([[0.1, 0, 0], [0.01, 0.02, 0], [0.05, -0.03, 0.1]])
    found = by_name(fitted([component], values, root @ root.T), [spectrum()])
    rng = np.random.default_rng(1)
    draws = values * np.exp(rng.normal(size=(200_000, 3)) @ root.T)
    frequency, width = _fwhm(component, draws)
    fwhm = width * (WIDTH if component in ("gaussian", "envelope") else 1.0)
    expected = {
        "frequency": frequency,
        "fwhm": fwhm,
        "q": frequency / fwhm,
        "nu_max": np.sqrt(frequency**2 + fwhm**2 / 4),
        "rms": np.sqrt(draws[:, 0] * _positive(component, frequency, width)),
        "peak_power": 2 * draws[:, 0] * frequency / (np.pi * fwhm),
    }
    assert found.keys() == names
    for name, quantity in found.items():
        assert quantity.value[0] == pytest.approx(np.median(expected[name]), rel=0.01)
        error = np.log1p(quantity.intervals.err_hi[0] / quantity.value[0])
        assert error == pytest.approx(np.log(expected[name]).std(), rel=0.04)
        below = -np.log1p(-quantity.intervals.err_lo[0] / quantity.value[0])
        assert below == pytest.approx(error)
        assert quantity.method == ["observed"]


def test_derived_quantities_of_what_is_at_zero_frequency():
    def found(component, values):
        matrix = np.diag([0.04, 0.01, 0.0][: len(values)])
        quantities = by_name(fitted([component], np.array(values), matrix), [spectrum()])
        return {
            name: (q.value[0], np.log1p(q.intervals.err_hi[0] / q.value[0]), q.unit[0])
            for name, q in quantities.items()
        }

    tenth = pytest.approx(0.1)
    harvey = found("harvey", [0.09, 2.0, 4.0])
    assert harvey["timescale"] == (pytest.approx(1 / (4 * math.pi)), tenth, "s")
    assert harvey["rms"] == (pytest.approx(0.3), tenth, "")
    zero = found("zero_lorentzian", [0.18, 2.0])
    assert zero["nu_max"] == (pytest.approx(1.0), tenth, "Hz")
    assert zero["rms"] == (pytest.approx(0.3), tenth, "")
    assert found("power_law", [1.0, 2.0]) == {}


def test_rms_needs_the_mean_rate_unless_the_power_is_fractional():
    rows = [
        spectrum(),
        spectrum(norm="leahy"),
        spectrum(norm="leahy", mean_rate=50.0),
        spectrum(norm="leahy", mean_rate=50.0, background_rate=10.0),
        spectrum(norm="abs", mean_rate=50.0),
        spectrum(norm="abs", mean_rate=50.0, background_rate=60.0),
    ]
    values = np.array([0.02, 5.0, 2.0])
    result = fitted(["lorentz"], values, np.zeros((3, 3)), lanes=len(rows))
    rms = by_name(result, rows)["rms"]
    assert rms.lanes.tolist() == [0, 2, 3, 4]
    root = math.sqrt(0.02)
    np.testing.assert_allclose(
        rms.value, [root, root / math.sqrt(50), root * math.sqrt(50) / 40, root / 50]
    )
    found = rms_of(COMPONENTS["lorentz"], values[:, None] * np.ones(6), calibration_of(rows))
    np.testing.assert_allclose(found[rms.lanes], rms.value)
    assert np.isnan(found[[1, 5]]).all()


def test_the_rms_of_an_oscillation_is_that_before_it_was_averaged_over_bins():
    dt, frequency = 0.05, 4.0
    phase = 2.0 * np.pi * frequency * dt * np.arange(0.0, 500.0, 0.01)
    binned = np.sin(phase).reshape(-1, 100).mean(axis=1)
    values = np.array([[binned.var()], [frequency], [1e-6]])
    found = rms_of(COMPONENTS["lorentz"], values, Calibration(np.ones(1), np.array([dt])))
    assert found[0] == pytest.approx(np.sin(phase).std(), rel=1e-3)


def test_lanes_do_not_know_of_one_another():
    rng = np.random.default_rng(3)
    names = ["constant", "lorentzian", "lorentzian_numax"]
    values = np.array([0.01, 0.02, 5.0, 1.2, 0.03, 8.0, 4.0])
    root = 0.03 * np.tril(rng.normal(size=(7, 7)))
    result = fitted(names, values, root @ root.T, lanes=4)
    result.fit.u += 0.1 * rng.normal(size=result.fit.u.shape)
    result.active[1, 2] = False
    result.sound[3] = False
    rows = [spectrum(dt=0.01 * k, norm="leahy", mean_rate=10.0 + k) for k in range(4)]
    every = derived_quantities(result, Products.of(rows))
    for lane in range(4):
        alone = derived_quantities(result, Products.of([rows[lane]]), np.array([lane]))
        assert {q.component for q in alone} == {
            f"{name}.1" for name in names[1:] if name != "lorentzian" or lane != 2
        }
        for q in alone:
            (same,) = (e for e in every if (e.component, e.name) == (q.component, q.name))
            place = same.lanes.tolist().index(lane)
            assert same.value[place] == pytest.approx(q.value[0], rel=1e-14)
            assert same.unit[place] == q.unit[0]
            assert same.method[place] == q.method[0] == ("none" if lane == 3 else "observed")
            for name in ("err_lo", "err_hi"):
                one, other = getattr(same.intervals, name)[place], getattr(q.intervals, name)[0]
                assert one == pytest.approx(other, rel=1e-12, nan_ok=True)


def test_an_error_that_cancels_is_none():
    matrix = np.ones((2, 2, 1))
    error = log_error(matrix, np.array([[1.0], [-1.0]]))
    assert np.isnan(error).all()
    assert log_error(matrix, np.array([[1.0], [1.0]])) == pytest.approx(2.0)


def test_the_covariance_of_logarithms_of_what_is_held_at_zero_is_zero():
    matrix = np.diag([0.04, 0.0])[:, :, None]
    found = covariance_of_logs(matrix, np.array([[2.0], [0.0]]), np.array([False, False]))
    np.testing.assert_allclose(found[:, :, 0], [[0.01, 0], [0, 0]])


def test_overlapping_narrow_peaks_of_like_height_blend_and_others_do_not():
    first, near, shoulder, far = [60, 2.64, 0.2], [53, 2.82, 0.3], [50, 2.9, 1.4], [60, 5.3, 0.4]
    broad = [60, 2.6, 2.0]
    assert blends.find([first, near]) == [[0, 1]]
    assert blends.find([near, far, first]) == [[0, 2]]
    for other in (shoulder, far, broad):
        assert blends.find([first, other]) == []
    assert blends.find(np.zeros((0, 3))) == []


def test_blends_are_found_in_the_lanes_that_have_them():
    values = np.concatenate([[60, 2.64, 0.2], [60, 5.3, 0.4], [53, 2.82, 0.3]])
    result = fitted(["lorentzian"] * 3, values, np.zeros((9, 9)), lanes=4)
    result.active[2, 1] = False
    result.fit.u[7, 2] = np.log(5.4)
    found = find_blends(result, np.arange(4))
    assert {members: lanes.tolist() for members, lanes in found.items()} == {
        (0, 2): [0, 3],
        (1, 2): [2],
    }
    assert find_blends(result, np.array([1])) == {}


def test_a_blend_of_equal_peaks_is_measured_as_their_sum():
    one = np.log([[2.0], [5.0], [0.4]])
    np.testing.assert_allclose(blends.measure(one)[:3], one, atol=1e-4)
    pair = np.log([1.0, 4.9, 0.4, 1.0, 5.1, 0.4])[:, None]
    variance, frequency, fwhm, positive = np.exp(blends.measure(pair)[:, 0])
    assert variance == pytest.approx(2.0)
    assert frequency == pytest.approx(5.0)
    assert 0.4 < fwhm < 0.65
    assert positive == pytest.approx(2.0 * positive_fraction(5.0, 0.4, np), rel=1e-3)


def test_the_error_of_a_blend_is_that_of_a_monte_carlo():
    u = np.log([1.0, 4.9, 0.4, 0.8, 5.15, 0.5])[:, None]
    rng = np.random.default_rng(2)
    root = 0.03 * np.tril(rng.normal(size=(6, 6)))
    root[1::3] *= 0.1
    _, matrix = blends.covariance(u, (root @ root.T)[:, :, None])
    draws = blends.measure(u + root @ rng.normal(size=(6, 3000)))
    np.testing.assert_allclose(np.sqrt(np.diag(matrix[..., 0])), draws.std(axis=1), rtol=0.08)


def test_a_blend_is_the_same_however_its_peaks_are_normalised():
    """XSPEC's Lorentzian has its variance over positive frequencies, the other over all."""
    found = {}
    for component in ("lorentzian", "lorentz"):
        values = np.array([0.01, 4.9, 1.4, 0.008, 5.15, 1.5])
        root = 0.03 * np.tril(np.random.default_rng(2).normal(size=(6, 6)))
        if component == "lorentz":  # the same errors: of ln V + ln of the fraction
            slopes = np.eye(6)
            for i in (0, 3):
                q = values[i + 1] / values[i + 2]
                values[i] *= positive_fraction(q, 1, np)
                slope = 2 * q / (1 + 4 * q**2) / np.pi / positive_fraction(q, 1, np)
                slopes[i, i + 1], slopes[i, i + 2] = slope, -slope
            root = slopes @ root
        result = fitted([component, component], values, root @ root.T)
        blend = by_name(result, [spectrum()], f"{component}.1+{component}.2")
        found[component] = {n: (q.value[0], q.intervals.err_hi[0]) for n, q in blend.items()}
    assert found["lorentz"].keys() == {"variance", "frequency", "fwhm", "q", "rms", "peak_power"}
    for name in ("frequency", "fwhm", "q", "rms"):
        assert found["lorentz"][name] == pytest.approx(found["lorentzian"][name], rel=1e-6)
    assert found["lorentz"]["variance"][0] == pytest.approx(found["lorentz"]["rms"][0] ** 2)


def test_the_error_of_the_peak_power_of_a_blend_of_positive_variances_is_that_of_a_monte_carlo():
    values = np.array(
        [0.01, 1.0, 0.45, 0.008, 1.3, 0.5]
    )  # broad: a good part is at negative frequencies
    rng = np.random.default_rng(3)
    root = np.zeros((6, 6))  # the widths vary, and together
    root[2, 2] = root[5, 2] = 0.05
    result = fitted(["lorentz", "lorentz"], values, root @ root.T)
    (peak_power,) = [
        quantity.intervals.err_hi[0] / quantity.value[0]
        for name, quantity in by_name(result, [spectrum()], "lorentz.1+lorentz.2").items()
        if name == "peak_power"
    ]
    u = np.log(values)[:, None] + root @ rng.normal(size=(6, 4000))
    whole = u.copy()
    for i in (0, 3):  # blends are measured from variances over all frequencies
        whole[i] -= np.log(positive_fraction(np.exp(u[i + 1]), np.exp(u[i + 2]), np))
    _, frequency, fwhm, positive = blends.measure(whole)
    drawn = positive + frequency - fwhm
    assert np.log1p(peak_power) == pytest.approx(drawn.std(), rel=0.04)
