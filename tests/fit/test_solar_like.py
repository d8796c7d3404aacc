"""Spectra of solar-like stars: the power excess, and what a high-pass filter has taken."""

import numpy as np
import pytest

from pipeline.config import FitOptions, validate
from pipeline.fit import fit_spectra
from pipeline.fit.driver import fit_rows
from pipeline.fit.model import Model
from pipeline.fit.prepare import corner
from pipeline.status import Flag

DAY = 86400.0
MODEL = [
    "constant",
    {"harvey": {"up_to": 3, "exponent": {"fixed": 4.0}}},
    {"envelope": {"q": {"lognormal": [1.1, 0.3]}}},
]


def star(rng, *, spacing=1 / (30 * DAY), highest=8.3e-3):
    """nu_max of a star, and one draw of its periodogram: granulation, p modes of l = 0, 1 and 2, white noise.

    The background is that of Kallinger et al. 2014 (A&A 570, A41), width and separation of the modes those of Mosser
    et al. 2012 (A&A 537, A30) and Huber et al. 2011 (ApJ 743, 143), with their scatter.
    """
    frequency = np.arange(1, int(highest / spacing)) * spacing
    u = np.exp(rng.uniform(np.log(250), np.log(2500)))  # uHz
    separation = 0.263e-6 * u**0.772
    sigma = 0.66e-6 * u**0.88 * rng.lognormal(0, 0.15) / 2.3548
    rms = 3382 * u**-0.609 * rng.lognormal(0, 0.1)
    power = np.zeros(frequency.size)
    for turn in (0.317e-6 * u**0.970, 0.948e-6 * u**0.992):
        turn = turn * rng.lognormal(0, 0.08)
        power += 2 * np.sqrt(2) / np.pi * rms**2 / turn / (1 + (frequency / turn) ** 4)
    nu_max = 1e-6 * u
    height = np.interp(nu_max, frequency, power) * rng.uniform(0.8, 2.5)
    offset, fwhm = rng.uniform(), 1e-6 * rng.lognormal(0.4, 0.4)
    for degree, visibility in enumerate((1.0, 1.5, 0.53)):
        for order in range(1, 60):
            at = separation * (order + degree / 2 + offset - 0.08 * (degree == 2))
            if abs(at - nu_max) < 5 * sigma:
                area = separation * visibility / 3.03
                area *= height * np.exp(-0.5 * ((at - nu_max) / sigma) ** 2)
                power += area * fwhm / (2 * np.pi) / ((frequency - at) ** 2 + fwhm**2 / 4)
    power += height * rng.uniform(0.02, 0.3)
    return nu_max, frequency, 1e-12 * rng.exponential(power)


def rebinned(frequency, power, fraction):
    """Average in bins as wide as a fraction of their frequency."""
    first, at = [], 0
    while at < frequency.size:
        first.append(at)
        at += max(1, round(fraction * (at + 1)))
    n = np.diff([*first, frequency.size])
    return np.add.reduceat(frequency, first) / n, np.add.reduceat(power, first) / n, n


def nu_max_of(stars, seed):
    """True nu_max of stars, fitted ones with their errors, shape (stars,) each."""
    rng = np.random.default_rng(seed)
    drawn = [star(rng) for _ in range(stars)]
    x, y, n = (np.array(a) for a in zip(*(rebinned(f, p, 0.03) for _, f, p in drawn), strict=True))
    model = Model.from_components(
        "star", validate({"models": {"star": MODEL}}, FitOptions).models["star"]
    )
    width = n / (30 * DAY)
    told = {"n": n, "width": width, "bin_average": True, "errors": "sandwich"}
    return np.array([t for t, _, _ in drawn]), fit_spectra(model, y, x, **told)["envelope.1.nu_max"]


def test_nu_max_is_found_without_a_start_by_anybody():
    true, found = nu_max_of(24, seed=1)
    assert np.abs(np.log(found.value / true)).max() < 0.1
    pull = (found.value - true) / found.err_hi
    assert np.sqrt(np.mean(pull**2)) == pytest.approx(1.0, abs=0.45)


@pytest.mark.slow
def test_errors_of_nu_max_cover():
    true, found = nu_max_of(400, seed=2)
    off = found.value - true
    covered = np.where(off > 0, off < found.err_lo, -off < found.err_hi).mean()
    assert np.abs(np.log(found.value / true)).max() < 0.2
    assert covered == pytest.approx(0.683, abs=3 * np.sqrt(0.683 * 0.317 / 400))


def filtered_row(power, n=8.0, seed=3):
    """A spectrum of the shape of a function of frequency, Hz."""
    frequency = np.geomspace(1e-6, 8e-3, 300)
    drawn = np.random.default_rng(seed).gamma(n, power(frequency) / n)
    edges = np.sqrt(frequency[1:] * frequency[:-1])
    edges = np.concatenate([[0.9e-6], edges, [8.2e-3]])
    told = {"frequency": frequency, "frequency_lo": edges[:-1], "frequency_hi": edges[1:]}
    nothing = {"power_err": np.zeros(0), "reason": "", "status": "ok", "norm": "frac", "flags": 0}
    names = {"source_id": "star", "product": "spectrum", "mean_rate": np.nan, "dt": np.nan}
    return told | nothing | names | {"power": drawn, "n": np.full(frequency.size, n)}


def granulation(f):
    return 1e-6 / (1 + (f / 4e-4) ** 4) + 1e-8


def high_passed(f):
    return granulation(f) / (1 + (7e-5 / f) ** 4)


@pytest.mark.parametrize(
    ("power", "lowest", "highest"),
    [
        (high_passed, 7e-5, 4e-4),
        (granulation, 0.0, 0.0),
        (lambda f: 1e-6 * (f / 1e-4) ** -1.5, 0.0, 0.0),
        (np.ones_like, 0.0, 0.0),
    ],
    ids=["filtered", "granulation", "red", "white"],
)
def test_only_a_filter_takes_the_power_of_the_lowest_frequencies(power, lowest, highest):
    row = filtered_row(power)
    assert lowest <= corner(row, row["n"] > 0) <= highest


def test_what_a_filter_took_is_not_fitted_and_a_flag_says_so():
    told = {
        "models": {"m": ["constant", {"harvey": {"exponent": {"fixed": 4.0}}}]},
        "platform": "cpu",
    }
    for high_pass, cut in (("keep", False), ("cut", True)):
        options = validate(told | {"high_pass": high_pass}, FitOptions)
        models, parameters, _, _ = fit_rows([filtered_row(high_passed)], options)
        assert bool(models[0]["flags"] & Flag.HIGH_PASSED) == cut
        turn = next(p for p in parameters if p["parameter"] == "characteristic_frequency")
        assert (abs(turn["value"] - 4e-4) < 3 * turn["err_hi"]) == cut
