"""What is published of a fit: derived quantities, blends, rows."""

import math

import numpy as np
import pytest

from pipeline import tables
from pipeline.catalog.parameters import Parameters, Peaks
from pipeline.catalog.qpo import choose_qpos
from pipeline.columns.fits import CURVES, MODELS, PARAMETERS
from pipeline.columns.spectra import SPECTRA
from pipeline.config.fit import FitOptions
from pipeline.config.survey import validate
from pipeline.fit import Batch, Engine, Grid, Model, PowerSpectrum, bucket_fit, driver, fit_model
from pipeline.fit.tables import buckets
from pipeline.fit.tables.spectra import Spectrum, usable
from pipeline.status import Flag, Status

GRID = np.geomspace(0.5, 20, 220)


def spectrum(power, n=30.0, source="s", status="ok", norm="frac", **more):
    """A SPECTRA row."""
    edges = np.sqrt(GRID[1:] * GRID[:-1])
    row = tables.empty_row(SPECTRA)
    return {
        **row,
        "source_id": source,
        "product": "p",
        "status": status,
        "norm": norm,
        "frequency": GRID,
        "frequency_lo": np.concatenate([[GRID[0] * 0.98], edges]),
        "frequency_hi": np.concatenate([edges, [GRID[-1] * 1.02]]),
        "power": np.asarray(power, float),
        "n": np.broadcast_to(np.asarray(n, float), GRID.shape) if np.size(n) else np.array([]),
        "power_err": np.array([]),
        **more,
    }


def red(rng, n=30.0):
    return rng.gamma(n, (0.01 * GRID**-1.3 + 0.004) / n)


OPTIONS = validate(
    {
        "models": {"noise": ["constant"], "power_law": ["constant", "power_law"]},
        "platform": "cpu",
        "block_size": 16,
    },
    FitOptions,
)


@pytest.mark.slow  # it compiles five models
def test_the_same_lorentzian_by_other_parameters_has_the_same_catalogue_rows():
    n = np.full(GRID.size, 400.0)
    expected = 0.004 + 0.01 * 0.2 / np.pi / (0.2**2 + (GRID - 4.0) ** 2)
    row = spectrum(np.random.default_rng(11).gamma(n, expected / n), n)
    options = validate(
        {
            "models": {k: ["constant", k] for k in ("lorentzian", "lorentzian_numax")},
            "platform": "cpu",
            "block_size": 8,
            "tolerance": 1e-10,
        },
        FitOptions,
    )
    models, parameters, *_ = driver.fit_rows([row], options)
    assert models[0]["bic"] == pytest.approx(models[1]["bic"], abs=1e-6)
    one, other = (
        {p["parameter"]: p for p in parameters if p["component"] == f"{kind}.1"}
        for kind in ("lorentzian", "lorentzian_numax")
    )
    assert one.keys() | {"nu_max"} == other.keys()
    for name in one:
        for column in ("value", "err_lo", "err_hi"):
            assert other[name][column] == pytest.approx(one[name][column], rel=1e-3)
        assert other[name]["unit"] == one[name]["unit"]
    assert not other["frequency"].get("free", False)
    assert other["frequency"]["derived"]
    assert other["nu_max"]["free"]
    table = tables.to_arrow(PARAMETERS, list(other.values()))
    peaks = Peaks.of(Parameters.from_table(table, np.zeros(table.num_rows, np.int64), 1))
    qpos = choose_qpos(peaks, 1, 2.0)
    assert peaks.component[qpos.peak].tolist() == ["lorentzian_numax.1"]
    assert qpos.rival.tolist() == [-1]


@pytest.mark.slow
def test_a_drifting_qpo_is_one_feature_at_its_mean_frequency(parameters_of):
    n = np.full(GRID.size, 4000.0)
    centres = (4.87, 5.13)  # the frequency jumps during the observation
    drift = sum(0.005 * 0.15 / np.pi / (0.15**2 + (GRID - c) ** 2) for c in centres)
    power = np.random.default_rng(3).gamma(n, (drift + 0.002) / n)
    row = spectrum(power, n)
    model = Model.from_components("pair", ["constant", "lorentzian", "lorentzian"])
    given = Spectrum.of(row)
    (bucket,) = buckets.in_buckets([given], [usable(given)], 8)
    result = fit_model(
        Batch(Engine(PowerSpectrum(model), block_size=8), bucket.spectra, bucket.widths)
    )
    found = {
        r["parameter"]: r
        for r in parameters_of([row], result)[0]
        if r["component"] == "lorentzian.1+lorentzian.2"
    }
    assert found["frequency"]["value"] == pytest.approx(5.0, abs=0.05)
    assert found["rms"]["value"] == pytest.approx(0.1, rel=0.1)
    assert found["frequency"]["derived"]


def test_a_spectrum_whose_errors_follow_its_power_is_flagged():
    power, nothing = red(np.random.default_rng(9), 10.0), np.array([])
    given = {
        "follow": (power, power / np.sqrt(10)),
        "subtracted": (power - 0.004, power / np.sqrt(10)),
        "own": (power, (0.01 * GRID**-1.3 + 0.004) / np.sqrt(10)),
    }
    rows = [
        spectrum(p, nothing, source=name, power_err=error) for name, (p, error) in given.items()
    ]
    models, _, curves, _ = driver.fit_rows(rows, OPTIONS)
    flags = {m["source_id"]: Flag(m["flags"]) for m in models if m["best"]}
    assert all(Flag.GAUSSIAN in f for f in flags.values())
    assert {n for n, f in flags.items() if Flag.ERRORS_FOLLOW_POWER in f} == {
        "follow",
        "subtracted",
    }
    for curve in curves:  # which show the errors as they are
        assert np.array_equal(curve["power_err"], given[curve["source_id"]][1])


def test_where_nothing_is_best_there_is_no_difference_from_it(monkeypatch):
    monkeypatch.setattr(bucket_fit, "best_model", lambda *a: np.full(a[0].shape[1], -1))
    models, parameters, curves, _ = driver.fit_rows(
        [spectrum(red(np.random.default_rng(8)))], OPTIONS
    )
    assert len(models) == 2
    assert all(np.isnan(m["delta_bic"]) and not m["best"] for m in models)
    assert not any(p["best"] for p in parameters)
    assert curves == []


def test_a_bending_power_law_is_written_with_the_steeper_slope_above(draw):
    model = Model.from_components("bend", ["bending_power_law", "constant"])
    spectra, u = draw(model, [0.1, 0.5, 2.3, 1.0, 1e-3], GRID, 200, 12, seed=4)
    widths = np.gradient(spectra.frequency, axis=0)
    result = fit_model(Batch(Engine(PowerSpectrum(model), block_size=8), spectra, widths))
    assert (result.fit.u[2] > result.fit.u[1]).all()
    np.testing.assert_allclose(np.median(result.fit.u, axis=1), u[:, 0], atol=0.15)
    power = np.asarray(model.power(result.fit.u, Grid.of(spectra.frequency), result.active))
    ratio = spectra.power / power
    again = np.sum(2 * 200 * (ratio - 1 - np.log(ratio)), axis=0)
    np.testing.assert_allclose(again, result.fit.deviance, atol=1e-6)


def test_every_spectrum_has_a_row_whatever_is_wrong_with_it():
    rng = np.random.default_rng(5)
    short = spectrum(red(rng), source="short")
    for name in ("frequency", "frequency_lo", "frequency_hi", "power", "n"):
        short[name] = short[name][:4]
    rows = [
        spectrum(red(rng), source="good"),
        short,
        spectrum(np.full(GRID.size, np.nan), source="nan"),
        spectrum(red(rng), source="failed", status="too_short", reason="GTIs of 3 s"),
    ]
    models, parameters, curves, _ = driver.fit_rows(rows, OPTIONS)
    status = {m["source_id"]: m["status"] for m in models}
    assert status == {
        "good": Status.OK,
        "short": Status.BAD_SPECTRUM,
        "nan": Status.BAD_SPECTRUM,
        "failed": Status.TOO_SHORT,
    }
    reasons = {m["source_id"]: m["reason"] for m in models}
    assert reasons["failed"] == "GTIs of 3 s"
    assert "4 usable frequency bins" in reasons["short"]
    assert {p["source_id"] for p in parameters} == {"good"}
    assert [c["source_id"] for c in curves] == ["good"]


def test_the_stage_writes_tables_that_fit_their_declarations(tmp_path):
    rng = np.random.default_rng(6)
    rows = [spectrum(red(rng), source=f"s{k}") for k in range(5)]
    tables.write_parquet(tmp_path / "in.parquet", SPECTRA, rows)
    out = {k: tmp_path / f"{k}.parquet" for k in ("models", "parameters", "curves", "samples")}
    driver.run(input=tmp_path / "in.parquet", options=OPTIONS, **out)
    models = tables.rows_of(tables.read_parquet(out["models"], MODELS))
    assert len(models) == 10
    best = [m for m in models if m["best"]]
    assert [m["model"] for m in best] == ["power_law"] * 5
    assert all(m["delta_bic"] == 0 for m in best)
    assert all(m["covariance"].size == m["n_free"] ** 2 for m in models)
    curve = tables.rows_of(tables.read_parquet(out["curves"], CURVES))[0]
    parts = curve["component_power"].reshape(2, -1)
    np.testing.assert_allclose(parts.sum(axis=0), curve["model_power"], rtol=1e-5)
    parameters = tables.rows_of(tables.read_parquet(out["parameters"], PARAMETERS))
    slope = [p for p in parameters if p["parameter"] == "slope" and p["best"]]
    assert all(abs(p["value"] - 1.3) < 5 * p["err_hi"] for p in slope)
    units = {p["parameter"]: p["unit"] for p in parameters}
    assert units == {"level": "1/Hz", "amplitude": "1/Hz", "slope": ""}


def test_an_empty_shard_gives_empty_tables(tmp_path):
    tables.write_parquet(tmp_path / "in.parquet", SPECTRA, [])
    out = {k: tmp_path / f"{k}.parquet" for k in ("models", "parameters", "curves", "samples")}
    driver.run(input=tmp_path / "in.parquet", options=OPTIONS, **out)
    assert tables.read_parquet(out["models"], MODELS).num_rows == 0


def test_spectra_with_errors_only_are_fitted_with_the_gaussian_likelihood_and_flagged():
    rng = np.random.default_rng(7)
    model = 0.01 * GRID**-1.3 + 0.004
    sigma = 0.05 * model
    row = spectrum(rng.normal(model, sigma), n=[], power_err=sigma)
    row["n"] = np.array([])
    models, parameters, *_ = driver.fit_rows([row], OPTIONS)
    assert all(m["flags"] & Flag.GAUSSIAN for m in models)
    slope = next(p for p in parameters if p["parameter"] == "slope")
    assert slope["value"] == pytest.approx(1.3, abs=4 * slope["err_hi"])


def test_buckets_keep_every_usable_lane_once():
    rng = np.random.default_rng(8)
    rows = [spectrum(red(rng), source=str(k)) for k in range(7)]
    rows = [Spectrum.of(row) for row in rows]
    masks = [usable(r, (0.1, 10.0) if k % 2 else None) for k, r in enumerate(rows)]
    masks[3][:] = False
    found = buckets.in_buckets(rows, masks, 2)
    assert sorted(lane for b in found for lane in b.lanes) == [0, 1, 2, 4, 5, 6]
    for bucket in found:
        assert bucket.spectra.power.shape[1] <= 2
        for k, lane in enumerate(bucket.lanes):
            used = bucket.spectra.weight[:, k] > 0
            np.testing.assert_array_equal(
                bucket.spectra.power[used, k], rows[lane].power[masks[lane]]
            )


def _rows(**options):
    """PARAMETERS rows of red noise, by model, component and parameter."""
    told = {**OPTIONS.model_dump(mode="json", exclude={"models"}), **options}
    rows = [spectrum(red(np.random.default_rng(9)))]
    models = told.pop("models", {"power_law": ["constant", "power_law"]})
    models, parameters, *_ = driver.fit_rows(rows, validate({"models": models, **told}, FitOptions))
    assert models[0]["best"]
    tables.to_arrow(PARAMETERS, parameters)
    return {(p["model"], p["component"], p["parameter"]): p for p in parameters}


@pytest.mark.slow
def test_a_component_that_is_not_there_has_an_upper_limit():
    names = ["constant", "power_law"]
    found = _rows(models={"power_law": names, "peak": [*names, "lorentz"]})
    variance = found["peak", "lorentz.1", "variance"]
    assert variance["value"] < variance["upper_limit"] < 0.05
    rms = found["peak", "lorentz.1", "rms"]
    assert rms["upper_limit"] == pytest.approx(math.sqrt(variance["upper_limit"]))
    strong = found["power_law", "power_law.1", "amplitude"]
    assert math.isnan(strong["upper_limit"])
    assert strong["error_method"] == "observed"
    # errors from profiles are for the chosen model alone
    assert "profile" not in {p["error_method"] for p in found.values()}


def test_the_kind_of_error_is_said():
    found = _rows(errors="sandwich", profile="none")
    assert found["power_law", "power_law.1", "slope"]["error_method"] == "sandwich"
    assert all(math.isnan(p["upper_limit"]) for p in found.values())


def test_profiled_parameters_have_intervals_at_every_level_and_amplitudes_limits():
    found = _rows(profile="all", levels=[0.9, 0.9545])
    slope = found["power_law", "power_law.1", "slope"]
    assert slope["error_method"] == "profile"
    lo, hi = slope["interval_lo"], slope["interval_hi"]
    assert lo[1] < lo[0] < slope["value"] - slope["err_lo"]
    assert slope["value"] + slope["err_hi"] < hi[0] < hi[1]
    sigma = (slope["err_lo"] + slope["err_hi"]) / 2
    assert hi[1] - lo[1] == pytest.approx(4 * sigma, rel=0.1)
    amplitude = found["power_law", "power_law.1", "amplitude"]
    # 95 % one-sided is 90 % two-sided
    assert amplitude["upper_limit"] == pytest.approx(amplitude["interval_hi"][0], rel=1e-2)


def test_a_chosen_parameter_at_its_bound_has_an_error_on_the_other_side():
    steep = {"power_law": {"slope": {"bounds": [0.0, 1.2]}}}
    options = validate({"models": {"m": ["constant", steep]}, "platform": "cpu"}, FitOptions)
    row = spectrum(red(np.random.default_rng(10), 300.0), n=300.0)
    models, parameters, *_ = driver.fit_rows([row], options)
    assert models[0]["status"] == Status.AT_BOUND
    slope = next(p for p in parameters if p["parameter"] == "slope")
    assert (slope["error_method"], slope["open_lo"], slope["open_hi"]) == ("profile", False, True)
    assert 0 < slope["err_lo"] < 0.2
    assert math.isnan(slope["err_hi"])


def test_the_model_is_averaged_over_the_bins_if_that_is_asked_for():
    rows = [spectrum(red(np.random.default_rng(8)))]
    curves = [
        driver.fit_rows(rows, OPTIONS.model_copy(update={"bin_average": average}))[2]
        for average in (False, True)
    ]
    centre, mean = (np.array(c[0]["model_power"]) for c in curves)
    assert not np.array_equal(centre, mean)
    np.testing.assert_allclose(mean, centre, rtol=0.05)
