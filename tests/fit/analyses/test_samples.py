"""The draws of chosen sources: who is chosen, what is kept, and what is said where it is no good."""

import numpy as np
import pytest

from pipeline import tables
from pipeline.columns.fits import MODELS, PARAMETERS
from pipeline.columns.samples import SAMPLES
from pipeline.columns.spectra import SPECTRA
from pipeline.config.fit import FitOptions
from pipeline.config.survey import validate
from pipeline.fit import driver
from pipeline.fit.analyses.samples import SamplesOptions
from pipeline.fit.uncertainty import diagnostics, hmc, importance
from pipeline.status import Flag

GRID = np.linspace(0.1, 12.8, 128)
CONFIGURED = {"white": ["constant"], "red": ["constant", "power_law"]}


@pytest.fixture(scope="module")
def rows():
    """Three spectra of red noise, and one that an earlier stage gave up on."""
    rng = np.random.default_rng(90)
    names = "GRS 1915", "GRS 1758", "Cyg X-1", "lost"
    return [
        {
            **tables.empty_row(SPECTRA),
            "source_id": name,
            "product": "p",
            "status": "too_short" if name == "lost" else "ok",
            "norm": "leahy",
            "frequency": GRID,
            "frequency_lo": GRID - 0.05,
            "frequency_hi": GRID + 0.05,
            "power": rng.gamma(40, (2 + GRID**-1.4) / 40),
            "n": np.full(GRID.size, 40.0),
        }
        for name in names
    ]


def _options(**told):
    return validate({"models": CONFIGURED, **told}, FitOptions)


def test_draws_of_named_sources_are_kept_and_no_others(rows, tmp_path):
    tables.write_parquet(tmp_path / "in.parquet", SPECTRA, rows)
    names = "models", "parameters", "curves", "samples"
    out = {name: tmp_path / f"{name}.parquet" for name in names}
    options = _options(samples={"sources": ["GRS *", "lost"]})
    driver.run(input=tmp_path / "in.parquet", options=options, **out)
    kept = tables.rows_of(tables.read_parquet(out["samples"], SAMPLES))
    assert [(r["source_id"], r["model"], r["component"], r["parameter"]) for r in kept] == [
        (source, "red", component, parameter)
        for source in ("GRS 1915", "GRS 1758")
        for component, parameter in (
            ("constant.1", "level"),
            ("power_law.1", "amplitude"),
            ("power_law.1", "slope"),
        )
    ]
    assert [r["scale"] for r in kept[:3]] == ["log", "log", "linear"]
    assert all(len(r["value"]) == 1600 and r["n_chains"] == 4 for r in kept)
    parameters = tables.rows_of(tables.read_parquet(out["parameters"], PARAMETERS))
    told = {(p["source_id"], p["parameter"]): p for p in parameters if p["best"]}
    for row in kept:
        p = told[row["source_id"], row["parameter"]]
        low, high = p["value"] - p["err_lo"], p["value"] + p["err_hi"]
        inside = (row["value"] > low) & (row["value"] < high)
        assert inside.mean() == pytest.approx(0.683, abs=0.06)
        assert row["unit"] == p["unit"]
    models = tables.rows_of(tables.read_parquet(out["models"], MODELS))
    for model in models:
        sampled = model["source_id"].startswith("GRS") and model["best"]
        assert np.isfinite(model["r_hat"]) == sampled
        if sampled:
            assert model["r_hat"] <= 1.01
            assert min(model["ess_bulk"], model["ess_tail"]) >= 400
        assert not model["flags"] & Flag.POSTERIOR_UNMIXED


def test_sources_whose_weights_cannot_be_believed_are_sampled_too(rows, monkeypatch):
    monkeypatch.setattr(importance, "GOOD_K", -9.0)
    told = {"evidence": {"draws": 128}}
    kept = driver.fit_rows(rows[:1], _options(**told, samples={}))[3]
    assert {r["source_id"] for r in kept} == {"GRS 1915"}
    assert driver.fit_rows(rows[:1], _options(**told, samples={"flagged": False}))[3] == []
    assert driver.fit_rows(rows[:1], _options(**told))[3] == []


def test_chains_that_have_not_mixed_are_flagged(rows, monkeypatch):
    monkeypatch.setattr(diagnostics, "GOOD_ESS", 1e6)
    models, _, _, kept = driver.fit_rows(rows[:1], _options(samples={"sources": ["*"]}))
    best = next(m for m in models if m["best"])
    assert best["flags"] & Flag.POSTERIOR_UNMIXED
    assert not any(m["flags"] & Flag.POSTERIOR_UNMIXED for m in models if not m["best"])
    assert len(kept[0]["value"]) == 1600


def test_a_fit_without_a_posterior_has_rows_without_draws(rows, monkeypatch):
    class Nowhere:
        def take(self, lanes):
            raise AssertionError("there is nothing to take")

    monkeypatch.setattr(hmc, "_place", lambda batch, result: (Nowhere(), np.empty(0, int)))
    models, _, _, kept = driver.fit_rows(rows[:1], _options(samples={"sources": ["*"]}))
    assert [r["parameter"] for r in kept] == ["level", "amplitude", "slope"]
    assert all(len(r["value"]) == 0 and np.isnan(r["r_hat"]) for r in kept)
    assert next(m for m in models if m["best"])["flags"] & Flag.POSTERIOR_UNMIXED
    assert tables.to_arrow(SAMPLES, kept).num_rows == 3


def test_patterns_name_sources():
    options = SamplesOptions(sources=["GRS 1915*", "Cyg X-1"])
    assert options.names("GRS 1915+105")
    assert options.names("Cyg X-1")
    assert not options.names("cyg x-1")
    assert not SamplesOptions().names("anything")
    assert SamplesOptions(sources=["*"]).names("anything")
