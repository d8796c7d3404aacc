"""Derived quantities follow the profiles: open where these are, and they cover what was simulated."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.config.fit import FitOptions
from pipeline.config.survey import validate
from pipeline.fit import Batch, Engine, Model, PowerSpectrum, add_profiles, fit_model
from pipeline.fit.tables import buckets
from pipeline.fit.tables.spectra import Spectrum, usable
from pipeline.fit.uncertainty.propagation import follow

LANES = 250
STEP, SEGMENTS = 0.1, 40
FREQUENCY = STEP * np.arange(1, 121)
CENTROID, FWHM, VARIANCE, BOUND = 5.03, 0.12, 0.02, 0.1
TRUTH = {
    "fwhm": FWHM,
    "q": CENTROID / FWHM,
    "nu_max": math.hypot(CENTROID, FWHM / 2),
    "rms": math.sqrt(VARIANCE * (0.5 + math.atan(2 * CENTROID / FWHM) / math.pi)),
}


def spectra(seed):
    """Rows of averages of exponential powers about a Lorentzian and noise, integrated over each bin."""
    edges = FREQUENCY[0] - STEP / 2 + STEP * np.arange(FREQUENCY.size + 1)
    inside = np.diff(np.arctan((edges - CENTROID) * 2 / FWHM)) / np.pi
    expected = VARIANCE * inside / STEP + 0.02
    rng = np.random.default_rng(seed)
    power = rng.exponential(1.0, (SEGMENTS, LANES, FREQUENCY.size)).mean(axis=0) * expected
    nothing = {"power_err": np.array([]), "dt": math.nan, "norm": "frac"}
    return [
        {
            **{"source_id": str(k), "product": "p", "frequency": FREQUENCY, "power": power[k]},
            **{"n": np.full(FREQUENCY.size, float(SEGMENTS)), **nothing},
            **{"frequency_lo": edges[:-1], "frequency_hi": edges[1:]},
        }
        for k in range(LANES)
    ]


@pytest.fixture(scope="module")
def fitted():
    """Rows and their fits: with covariances only, and with profiles of what is weak or at its bound."""
    peak = {"lorentzian": {"fwhm": {"bounds": [BOUND, 5.0]}}}
    options = validate({"models": {"m": ["constant", peak]}}, FitOptions)
    model = Model.from_components("m", options.models["m"])
    rows = spectra(seed=1)
    given = list(map(Spectrum.of, rows))
    (bucket,) = buckets.in_buckets(given, list(map(usable, given)), LANES, average=True)
    batch = Batch(
        Engine(PowerSpectrum(model, bucket.likelihood), block_size=64),
        bucket.spectra,
        bucket.widths,
    )
    plain = fit_model(batch)
    return rows, plain, add_profiles(batch, plain)


@pytest.fixture
def peaks(parameters_of):
    """Function that returns the Lorentzian of each lane, its parameters by name."""
    return lambda rows, fit: [
        {r["parameter"]: r for r in found if "lorentz" in r["component"]}
        for found in parameters_of(rows, fit)
    ]


def covers(row, truth):
    low = -math.inf if row.get("open_lo") else row["value"] - row["err_lo"]
    high = math.inf if row.get("open_hi") else row["value"] + row["err_hi"]
    return low <= truth <= high


def test_intervals_from_the_profile_cover_when_the_width_is_often_at_its_bound(fitted, peaks):
    rows, _, fit = fitted
    found = list(peaks(rows, fit))
    at_bound = np.array([p["fwhm"]["at_bound"] for p in found])
    assert 0.1 < at_bound.mean() < 0.6
    sigma = math.sqrt(0.683 * 0.317 / LANES)
    for name, truth in TRUTH.items():
        inside = np.array([covers(p[name], truth) for p in found])
        # half a sigma from its bound the width, and with it Q, is covered a bit too often
        most = 0.683 + (3 * sigma if name in ("nu_max", "rms") else 0.1)
        assert 0.683 - 3 * sigma < inside.mean() < most, name
    for name in ("nu_max", "rms"):
        inside = np.array([covers(p[name], TRUTH[name]) for p in found])[at_bound]
        assert abs(inside.mean() - 0.683) < 3 * math.sqrt(0.683 * 0.317 / at_bound.sum()), name


def test_a_width_at_its_bound_opens_its_q_and_both_have_limits(fitted, peaks):
    rows, _, fit = fitted
    limited = {"fwhm": [], "q": []}
    for peak in peaks(rows, fit):
        width, q = peak["fwhm"], peak["q"]
        if not width["at_bound"]:
            continue
        assert (width["open_lo"], width["open_hi"]) == (True, False)
        assert (q["open_lo"], q["open_hi"]) == (False, True)
        assert math.isnan(q["err_hi"])
        assert q["error_method"] == "profile"
        # of a width that is known to a tenth, Q is not known to a thousandth
        assert q["err_lo"] / q["value"] > 0.5 * width["err_hi"] / (width["value"] + width["err_hi"])
        assert width["upper_limit"] > width["value"] + width["err_hi"]
        assert q["lower_limit"] < q["value"] - q["err_lo"]
        assert q["lower_limit"] == pytest.approx(CENTROID / width["upper_limit"], rel=0.1)
        assert math.isnan(width["lower_limit"])
        limited["fwhm"].append(width["upper_limit"] > FWHM)
        limited["q"].append(q["lower_limit"] < TRUTH["q"])
        assert peak["nu_max"]["err_lo"] == pytest.approx(peak["frequency"]["err_lo"], rel=0.1)
    for name, right in limited.items():
        assert np.mean(right) > 0.95 - 3 * math.sqrt(0.05 * 0.95 / len(right)), name


def test_without_a_profile_what_hangs_on_a_bound_has_no_error(fitted, peaks):
    rows, plain, _ = fitted
    for peak in peaks(rows, plain):
        known = "none" if peak["fwhm"]["at_bound"] else "observed"
        assert (peak["q"]["error_method"], peak["nu_max"]["error_method"]) == (known, "observed")
        assert math.isnan(peak["q"]["err_hi"]) == (known == "none")


class Normal:
    """A fit whose likelihood is normal in two variables, with the profiles that it has."""

    def __init__(self, matrix, codes=None):
        sigma = np.sqrt(np.diag(matrix))
        self.model = SimpleNamespace(tied=lambda u: u)
        self.free = np.ones((2, 1), bool)
        self.covariance, self.sound = matrix[..., None], np.array([True])
        self.fit = SimpleNamespace(u=np.zeros((2, 1)), at_bound=np.zeros((2, 1), bool))
        step = (matrix / sigma).T[..., None]  # where the others are one sigma along each
        paths = np.stack([-step, step, 1.6449 * step, -1.6449 * step])
        codes = np.ones((4, 2, 1), int) if codes is None else codes
        self.profiles = SimpleNamespace(
            limit_sigma=1.6449,
            lower_code=codes[:1],
            upper_code=codes[1:2],
            limit_code=codes[2],
            least_code=codes[3],
            paths=paths,
        )


def one(intervals):
    """The intervals of the only lane."""
    assert intervals.decided.tolist() == [True]
    return SimpleNamespace(**{name: values[0] for name, values in vars(intervals).items()})


@pytest.mark.parametrize("slopes", [(1.0, -1.0), (0.5, 0.1), (0.0, 2.0)])
@pytest.mark.parametrize("correlation", [-0.8, 0.0, 0.6])
def test_of_a_normal_likelihood_the_interval_is_that_of_the_covariance(slopes, correlation):
    matrix = np.array([[0.04, correlation * 0.06], [correlation * 0.06, 0.09]])
    found = one(follow(lambda u, _: {"g": np.exp(slopes @ u)}, Normal(matrix), [0, 1], [0])["g"])
    sigma = math.sqrt(np.array(slopes) @ matrix @ slopes)
    assert found.err_lo == pytest.approx(-math.expm1(-sigma), rel=1e-3)
    assert found.err_hi == pytest.approx(math.expm1(sigma), rel=1e-3)
    assert (found.open_lo, found.open_hi) == (False, False)


@pytest.mark.parametrize(("slope", "is_open"), [(-1.0, (False, True)), (1.0, (True, False))])
def test_a_quantity_is_open_where_the_parameter_that_it_hangs_on_is(slope, is_open):
    codes = np.ones((4, 2, 1), int)
    codes[0, 1] = 2  # the second is open below
    fit = Normal(np.diag([1e-6, 0.09]), codes=codes)
    found = one(follow(lambda u, _: {"g": np.exp(u[0] + slope * u[1])}, fit, [0, 1], [0])["g"])
    assert (found.open_lo, found.open_hi) == is_open
    limit = found.upper_limit if found.open_lo else 1 / found.lower_limit
    assert limit == pytest.approx(math.exp(1.6449 * 0.3), rel=1e-3)
    still = follow(lambda u, _: {"g": np.exp(u[0] + 1e-4 * slope * u[1])}, fit, [0, 1], [0])
    still = one(still["g"])
    assert (still.open_lo, still.open_hi) == (False, False)
    assert still.err_hi == pytest.approx(1e-3, rel=0.01)


def test_a_blend_follows_the_profiles_of_its_members(parameters_of):
    frequency = np.geomspace(2.0, 12.0, 150)
    edges = np.concatenate([[1.99], np.sqrt(frequency[1:] * frequency[:-1]), [12.07]])
    centres = (4.87, 5.13)  # the frequency jumps during the observation
    expected = sum(0.005 * 0.15 / np.pi / (0.15**2 + (frequency - c) ** 2) for c in centres) + 0.002
    n = np.full(frequency.size, 1000.0)
    row = {"source_id": "s", "product": "p", "frequency": frequency, "n": n, "dt": math.nan}
    row |= {"power": np.random.default_rng(3).gamma(n, expected / n), "power_err": np.array([])}
    row |= {"frequency_lo": edges[:-1], "frequency_hi": edges[1:], "norm": "frac"}
    model = Model.from_components("pair", ["constant", "lorentz", "lorentz"])
    given = Spectrum.of(row)
    (bucket,) = buckets.in_buckets([given], [usable(given)], 1)
    batch = Batch(Engine(PowerSpectrum(model), block_size=8), bucket.spectra, bucket.widths)
    plain = fit_model(batch)
    found = [
        {r["parameter"]: r for r in parameters_of([row], fit)[0] if "+" in r["component"]}
        for fit in (plain, add_profiles(batch, plain, which="all"))
    ]
    assert {"variance", "frequency", "fwhm", "q", "rms"} <= found[0].keys()
    for name, by_covariance in found[0].items():
        if name == "peak_power":  # by which the QPO is chosen: it has no profile
            continue
        by_profile = found[1][name]
        assert by_profile["value"] == by_covariance["value"]
        assert by_profile["error_method"] == "profile"
        for side in ("err_lo", "err_hi"):
            assert by_profile[side] == pytest.approx(by_covariance[side], rel=0.4), name
