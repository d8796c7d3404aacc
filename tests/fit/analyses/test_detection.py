"""The p-value is of the QPO of the chosen model; of one more narrow peak where it has none."""

import numpy as np
import pytest

from pipeline.config.fit import FitOptions
from pipeline.config.survey import validate
from pipeline.fit import driver

MODELS = {"noise": ["constant"], "sum": ["constant", {"lorentzian": {"up_to": 4}}]}


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tested(binned):
    """Two spectra each of broad noise, of noise with a QPO and its harmonic, and of nothing."""
    rng, bins = np.random.default_rng(1), binned(np.geomspace(0.1, 50, 121), 300)
    broad = (0.06, 0.0, 3.0), (0.01, 4.0, 6.0)
    qpo = (0.012, 3.0, 0.4), (0.005, 6.0, 0.8)
    rows = [
        bins.row(f"{name}{k}", 0.002 + sum(bins.lorentzian(*peak) for peak in peaks), rng)
        for name, peaks in (("broad", broad), ("qpo", broad + qpo), ("white", ()))
        for k in range(2)
    ]
    told = {"models": MODELS, "min_delta_bic": 10, "detection": {"draws": 100, "enough": 10}}
    models, parameters, *_ = driver.fit_rows(rows, validate(told, FitOptions))
    best = {m["source_id"]: m for m in models if m["best"]}
    return best, parameters


def test_every_spectrum_is_tested_beside_the_model_that_was_chosen(tested):
    best, _ = tested
    assert all(np.isfinite(m["lrt_p_value"]) for m in best.values())
    assert {m["model"] for name, m in best.items() if name[:5] == "white"} == {"noise"}


def test_broad_noise_is_no_peak(tested):
    """By default the peak is narrow; any Lorentzian would be a part of the noise, with the least p there is."""
    best, _ = tested
    for name in ("broad0", "broad1", "white0", "white1"):
        assert best[name]["lrt_component"] == ""
        assert best[name]["lrt_p_value"] > 0.01
        assert len(best[name]["limit_rms"]) == 12


def test_a_qpo_is_tested_at_its_own_frequency(tested):
    """Other components may not take its place: with them free, what is left over would be tested."""
    best, parameters = tested
    for name in ("qpo0", "qpo1"):
        model = best[name]
        found = {
            p["parameter"]: p["value"]
            for p in parameters
            if (p["source_id"], p["component"], p["best"]) == (name, model["lrt_component"], True)
        }
        assert found["frequency"] == pytest.approx(3.0, abs=0.1)
        assert model["lrt_frequency"] == pytest.approx(found["frequency"], abs=0.05)
        assert model["lrt_fwhm"] == pytest.approx(found["fwhm"], rel=0.3)
        assert model["lrt_reached"] == 0
        assert len(model["limit_rms"]) == 0
