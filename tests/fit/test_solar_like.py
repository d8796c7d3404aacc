"""Spectra of solar-like stars: the power excess, and what a high-pass filter has taken."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.config.fit import FitOptions
from pipeline.config.survey import load, validate
from pipeline.fit import fit_spectra
from pipeline.fit.driver import fit_rows
from pipeline.fit.model.model import Model
from pipeline.fit.tables.lines import alone
from pipeline.fit.tables.spectra import Spectrum, corner
from pipeline.ingest.archive.walk import list_folder
from pipeline.ingest.plan.complete import complete
from pipeline.ingest.plan.scan import scan_file
from pipeline.ingest.plan.shard import Entry
from pipeline.ingest.read.reader import read_products
from pipeline.simulate.stars import DAY, in_bins, periodogram
from pipeline.status import HAS_RESULT, Flag, Status

ROOT = Path(__file__).parents[2]

MODEL = [
    "constant",
    {"harvey": {"up_to": 3, "exponent": {"fixed": 4.0}}},
    {"envelope": {"q": {"lognormal": [1.1, 0.3]}}},
]


DAYS = 30.0
CADENCE = 1 / 1765.5  # of Kepler's long cadence, Hz


def drawn(stars, seed, lines=(), times=0.0, **told):
    """True nu_max of stars, shape (stars,), their spectra in bins, and which of those are cut.

    Lines are of one ordinate, so many times the mean power of 100 frequencies around it.
    """
    rng, true, spectra = np.random.default_rng(seed), [], []
    for _ in range(stars):
        nu_max, frequency, power = periodogram(rng, days=DAYS, **told)
        for line in lines:
            k = round(line * DAYS * DAY) - 1
            power[k] += times * power[max(0, k - 50) : k + 50].mean()
        true.append(nu_max)
        spectra.append(in_bins(frequency, power, 0.03))
    x, y, n = (np.array(a) for a in zip(*spectra, strict=True))
    return np.array(true), x, y, n, np.array([alone(*each) for each in spectra])


def nu_max_of(stars, seed, **told):
    """True nu_max of stars, fitted ones with their errors, shape (stars,) each."""
    true, x, y, n, cut = drawn(stars, seed, **told)
    model = Model.from_components(
        "star", validate({"models": {"star": MODEL}}, FitOptions).models["star"]
    )
    told = {"width": n / (DAYS * DAY), "bin_average": True, "errors": "sandwich"}
    found = fit_spectra(model, y, x, n=np.where(cut, 0, n), **told)
    return true, found["envelope.1.nu_max"]


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("lines", "times"),
    [
        ([CADENCE], 150.0),
        ([CADENCE], 1e4),
        ([k * CADENCE for k in range(1, 6)], 400.0),
        ([k * CADENCE for k in range(1, 6)], 1e4),
        ([7.5e-6], 1e3),
    ],
    ids=["weak", "strong", "weak harmonics", "strong harmonics", "low"],
)
@pytest.mark.slow
def test_an_instrumental_line_is_not_nu_max(lines, times):
    _, without = nu_max_of(8, seed=5)
    _, found = nu_max_of(8, seed=5, lines=lines, times=times)
    assert np.abs(found.value - without.value).max() > 0  # there is a line
    assert (np.abs(found.value - without.value) < without.err_hi).all()


def test_modes_are_no_lines():
    """At most a bin in fifty stars is cut, and no bin of a star that does not oscillate."""
    assert drawn(100, seed=9)[-1].sum() <= 2
    assert drawn(50, seed=10, oscillates=False)[-1].sum() == 0


def test_a_bin_with_nothing_on_one_side_is_no_line():
    frequency = np.geomspace(1e-4, 1e-3, 80)
    for k in range(80):
        power = np.ones(80)
        power[k] = 50.0
        found = alone(frequency, power, np.full(80, 30.0))
        assert found.sum() == found[k]
        assert found[k] == (2 <= k < 78)
    assert not alone(frequency[:1], power[:1], np.ones(1)).any()
    assert not alone(frequency[:0], power[:0], np.ones(0)).any()


def row_of(x, y, n):
    """Row of SPECTRA."""
    half = n / (2 * DAYS * DAY)
    nothing = {"power_err": np.zeros(0), "reason": "", "status": "ok", "norm": "frac", "flags": 0}
    names = {"source_id": "star", "product": "spectrum", "mean_rate": np.nan, "dt": np.nan}
    edges = {"frequency_lo": x - half, "frequency_hi": x + half}
    return nothing | names | edges | {"frequency": x, "power": y, "n": n.astype(float)}


@pytest.mark.slow
def test_granulation_alone_has_no_nu_max():
    """The model without an envelope is chosen; where one is fitted it is not at an end of its frequencies."""
    told = {
        "models": {"background": MODEL[:2], "solar_like": MODEL},
        "errors": "sandwich",
        "lines": "cut",
        "platform": "cpu",
    }
    options = validate(told, FitOptions)
    chosen = {}
    for oscillates in (True, False):
        _, x, y, n, _ = drawn(8, seed=6, oscillates=oscillates)
        rows = [row_of(*each) for each in zip(x, y, n, strict=True)]
        models, parameters, _, _ = fit_rows(rows, options)
        chosen[oscillates] = [m["model"] for m in models if m["best"]]
        best = [p for p in parameters if p["best"] and p["parameter"] == "nu_max"]
        assert all(2.1 * x[0, 0] < p["value"] < 0.79 * x[0, -1] for p in best)
    assert chosen[True].count("solar_like") == 8
    assert chosen[False].count("background") == 8


def test_a_line_is_left_out_where_it_is_wanted():
    x = np.geomspace(1e-4, 1e-3, 100)
    y = np.random.default_rng(8).gamma(40, 1 / 40, 100)
    y[50] = 20.0
    row = row_of(x, y, np.full(100, 40)) | {"frequency_lo": x * 0.99, "frequency_hi": x * 1.01}
    for lines, bins, level in (("keep", 100, 1.19), ("cut", 99, 1.0)):
        told = {"models": {"noise": ["constant"]}, "lines": lines, "platform": "cpu"}
        (model,), (found,), _, _ = fit_rows([row], validate(told, FitOptions))
        assert model["n_bins"] == bins
        assert found["value"] == pytest.approx(level, rel=0.06)
        assert not model["flags"] & Flag.HIGH_PASSED
        assert bool(model["flags"] & Flag.LINES_CUT) == (lines == "cut")


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
    assert lowest <= corner(Spectrum.of(row), row["n"] > 0) <= highest


@pytest.mark.slow
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


PUBLISHED = {
    "1435467_PS.txt": (1382.0, 9.0),
    "2309595_PS.txt": (643.0, 9.0),
    "KIC006117517_PS.txt": (120.27, 0.23),
}


@pytest.fixture
def kepler():
    """The folder of spectra beside the repository."""
    folder = ROOT.parent / "shared" / "data" / "timeseries" / "kepler"
    if not folder.is_dir():
        pytest.skip("no real data beside this checkout (../shared/data)")
    return folder


@pytest.mark.slow
def test_stars_of_kepler_oscillate_at_their_published_frequencies(kepler):
    """nu_max in uHz; the spectra as the example reads them, and its models."""
    example = load(ROOT / "config/examples/solar_like.yaml")
    rows = []
    for listed in list_folder(kepler):
        if listed.file in PUBLISHED:
            (found,) = complete([scan_file(listed, kepler, example.ingest)], "object")
            (observation,) = read_products(Entry.of_found(found), kepler, example.ingest)
            row = observation.row()
            middle = (row["frequency_lo"] + row["frequency_hi"]) / 2
            told = {"source_id": listed.file, "mean_rate": np.nan, "dt": np.nan, "flags": 0}
            rows.append(row | told | {"frequency": middle})
    models, parameters, _, _ = fit_rows(rows, example.fit.model_copy(update={"platform": "cpu"}))
    best = {m["source_id"]: m for m in models if m["best"]}
    assert {name: best[name]["model"] for name in PUBLISHED} == dict.fromkeys(
        PUBLISHED, "solar_like"
    )
    assert all(Status(m["status"]) in HAS_RESULT for m in best.values())
    for p in parameters:
        if p["best"] and p["parameter"] == "nu_max":
            published, error = PUBLISHED[p["source_id"]]
            assert abs(1e6 * p["value"] - published) < 2 * np.hypot(1e6 * p["err_hi"], error)
