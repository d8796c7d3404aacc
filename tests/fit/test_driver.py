"""The stage: every spectrum has its rows in order, whatever bucket it fell in and whatever became of it."""

import numpy as np
import pytest

from pipeline import tables
from pipeline.columns.spectra import SPECTRA
from pipeline.config.fit import FitOptions
from pipeline.config.survey import validate
from pipeline.fit import driver
from pipeline.fit.analyses import ANALYSES
from pipeline.fit.analyses.base import Analysis, Findings
from pipeline.status import Flag, Status

MODELS = {"white": ["constant"], "red": ["constant", "power_law"]}


def options(**told):
    return validate({"models": MODELS, "platform": "cpu", **told}, FitOptions)


@pytest.fixture(scope="module")
def rows(binned):
    """Red noise on many bins and on few, white noise, too few bins, and a spectrum that was given up before."""
    rng = np.random.default_rng(1)
    many, few = binned(np.geomspace(0.1, 50, 101), 300), binned(np.geomspace(0.1, 50, 31), 300)
    red = [0.002 + 0.01 / bins.low for bins in (many, few)]
    flat = binned(np.geomspace(0.1, 50, 101), 300)
    short = binned(np.geomspace(0.1, 50, 6), 300)
    lost = dict.fromkeys(("frequency", "frequency_lo", "frequency_hi", "power", "n"), np.empty(0))
    return [
        many.row("many", red[0], rng),
        short.row("short", 0.002, rng),
        few.row("few", red[1], rng),
        flat.row("flat", 0.002, rng),
        many.row("lost", red[0], rng) | lost | {"status": "too_short", "reason": "because"},
        many.row("more", red[0], rng),
    ]


@pytest.fixture(scope="module")
def fitted(rows):
    return driver.fit_rows(rows, options())


def test_rows_come_in_the_order_of_the_spectra_and_of_the_models(fitted):
    models, parameters, curves, samples = fitted
    assert [(m["source_id"], m["model"]) for m in models] == [
        ("many", "white"),
        ("many", "red"),
        ("short", ""),
        ("few", "white"),
        ("few", "red"),
        ("flat", "white"),
        ("flat", "red"),
        ("lost", ""),
        ("more", "white"),
        ("more", "red"),
    ]
    names = [(p["source_id"], p["model"], p["component"], p["parameter"]) for p in parameters]
    assert names[:4] == [
        ("many", "white", "constant.1", "level"),
        ("many", "red", "constant.1", "level"),
        ("many", "red", "power_law.1", "amplitude"),
        ("many", "red", "power_law.1", "slope"),
    ]
    assert [c["source_id"] for c in curves] == ["many", "few", "flat", "more"]
    assert samples == []


def test_one_model_is_the_best_and_the_others_are_compared_with_it(fitted):
    models, parameters, curves, _ = fitted
    best = {m["source_id"]: m["model"] for m in models if m["best"]}
    assert best == {"many": "red", "few": "red", "flat": "white", "more": "red"}
    for model in models:
        own = [p["best"] for p in parameters if p["model"] == model["model"]]
        assert own or not model["model"]
        if model["model"]:
            assert (model["delta_bic"] == 0) == model["best"]
    assert [(c["source_id"], c["model"]) for c in curves] == list(best.items())


def test_a_spectrum_that_is_not_fitted_says_why(fitted):
    reasons = {m["source_id"]: (m["status"], m["reason"]) for m in fitted[0] if not m["model"]}
    assert reasons["lost"] == (Status.TOO_SHORT, "because")
    status, reason = reasons["short"]
    assert status == Status.BAD_SPECTRUM
    assert reason.startswith("5 usable frequency bins, 8 are needed: lengthen")


def test_a_curve_has_the_bins_that_were_fitted_and_the_components_add_up(fitted, rows):
    for curve in fitted[2]:
        row = next(row for row in rows if row["source_id"] == curve["source_id"])
        np.testing.assert_array_equal(curve["power"], row["power"])
        np.testing.assert_allclose(curve["power_err"], row["power"] / np.sqrt(row["n"]))
        parts = curve["component_power"].reshape(len(curve["components"]), -1)
        np.testing.assert_allclose(parts.sum(axis=0), curve["model_power"], rtol=1e-6)


def test_a_spectrum_is_fitted_the_same_whatever_is_beside_it(fitted, rows):
    alone = driver.fit_rows([rows[2]], options())[0]
    together = [m for m in fitted[0] if m["source_id"] == "few"]
    for one, other in zip(alone, together, strict=True):
        assert one["statistic"] == pytest.approx(other["statistic"], rel=1e-9)
        assert one["best"] == other["best"]


def test_a_model_with_a_peak_is_fitted_the_same_wherever_it_stands_among_the_models(rows):
    peak = {"qpo": ["constant", "lorentzian"]}
    white = {"white": ["constant"]}
    first, last = (
        driver.fit_rows(rows[:1], options(models=models))[0]
        for models in (peak | white, white | peak)
    )
    assert [m["model"] for m in first] == ["qpo", "white"]
    for one, other in zip(first, reversed(last), strict=True):
        np.testing.assert_equal(one, other)


def test_bins_that_are_left_out_are_flagged(binned):
    rng, bins = np.random.default_rng(2), binned(np.geomspace(0.1, 50, 101), 300)
    power = np.full(bins.n.size, 0.002)
    line = bins.row("line", power, rng)
    line["power"][50] *= 30
    models = driver.fit_rows([line], options(lines="cut"))[0]
    assert all(m["flags"] & Flag.LINES_CUT and m["n_bins"] == 99 for m in models)
    assert not any(m["flags"] & Flag.LINES_CUT for m in driver.fit_rows([line], options())[0])


def test_the_stage_writes_a_table_for_each_of_its_outputs(rows, tmp_path):
    source = [{**tables.empty_row(SPECTRA), **row} for row in rows]
    tables.write_parquet(tmp_path / "in", SPECTRA, source)
    paths = {name: tmp_path / name for name in driver.TABLES}
    driver.run(input=tmp_path / "in", options=options(batch_size=4), **paths)
    counts = {
        n: tables.read_parquet(paths[n], table).num_rows for n, table in driver.TABLES.items()
    }
    assert counts == {"models": 10, "parameters": 16, "curves": 4, "samples": 0}


class Counting(Analysis):
    """Says how many free parameters the chosen model has, and flags all but one source."""

    name = "counting"
    columns = ()

    def asked_for(self, options):
        return True

    def run(self, subject):
        lucky = [row["source_id"] == "many" for row in subject.rows]
        flags = np.where(lucky, 0, int(Flag.POOR_FIT))
        return Findings({"lrt_draws": subject.result.n_free, "lrt_ratio": 1.0 * flags}, flags)


def test_an_analysis_runs_where_its_model_is_chosen_and_its_findings_reach_the_table(
    rows, monkeypatch
):
    from pipeline.fit import bucket_fit

    monkeypatch.setattr(bucket_fit, "ANALYSES", (*ANALYSES, Counting()))
    models = driver.fit_rows(rows, options())[0]
    assert {m["source_id"]: m["lrt_draws"] for m in models if m["best"]} == {
        "many": 3,
        "few": 3,
        "flat": 1,
        "more": 3,
    }
    assert all(m["lrt_draws"] == 0 and np.isnan(m["lrt_ratio"]) for m in models if not m["best"])
    flagged = {m["source_id"] for m in models if m["flags"] & Flag.POOR_FIT}
    assert flagged == {"few", "flat", "more"}
