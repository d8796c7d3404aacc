"""A pulsation of 12.6 s on a solar flare of 2,700 s, each a single segment: found where it is, and not elsewhere."""

import numpy as np
import pytest

from pipeline.config.fit import FitOptions
from pipeline.config.segment import SegmentOptions
from pipeline.config.survey import validate
from pipeline.fit.driver import fit_rows
from pipeline.segment.observation import Observations
from pipeline.segment.products.power_spectra.rows import product_rows
from pipeline.simulate.timmer_koenig import series

N, PERIOD = 2700, 12.6

SEGMENT = SegmentOptions(segment_size="whole", rebin=0.01, pulsations=None)
FIT = {
    "models": {
        "power_law": ["constant", "power_law"],
        "two_power_laws": ["constant", "power_law", "power_law"],
    },
    "profile": "none",
    "detection": {
        "component": {"lorentzian_numax": {"q": {"bounds": [3, 300]}}},
        "draws": 200,
        "limits": 0,
    },
}
"""As in config/examples/flares.yaml, with fewer draws."""


def _flare(rng, slope, level, amplitude):
    """A steep rise, an exponential decay, noise of a power law and white noise; a pulsation that decays too."""
    time = np.arange(N, dtype=float)
    start, rise, decay = rng.uniform(200, 800), rng.uniform(5, 60), rng.uniform(300, 700)
    profile = np.where(
        time < start,
        np.exp(-0.5 * ((time - start) / rise) ** 2),
        np.exp(-np.maximum(time - start, 0) / decay),
    )
    red = series(lambda f: f**-slope, N, 1.0, rng)
    wave = amplitude * np.sin(2 * np.pi * time / PERIOD + rng.uniform(0, 2 * np.pi))
    noise = level / red.std() * red + rng.normal(0, 15, N)
    return 1000 + 3000 * profile * (1 + wave) + noise


def _p_values(lightcurve, curves):
    rows = [
        product_rows(Observations.held([lightcurve(c, counting=False)]), SEGMENT)[0]
        | {"source_id": f"flare {k}"}
        for k, c in enumerate(curves)
    ]
    models, *_ = fit_rows(rows, validate(FIT, FitOptions))
    found = {m["source_id"]: m["lrt_p_value"] for m in models if m.get("lrt_p_value", -1) >= 0}
    return np.array([found[row["source_id"]] for row in rows]), rows


@pytest.mark.slow
def test_a_pulsation_on_a_flare_is_found(lightcurve):
    """Of three per cent of the flare, in red noise of slope 2 whose rms is 13 times that of the white noise."""
    rng = np.random.default_rng(91)
    curves = [_flare(rng, 2.0, 200, amplitude) for amplitude in (0.03, 0.03, 0.0, 0.0)]
    p_values, rows = _p_values(lightcurve, curves)
    assert p_values[:2].max() < 0.01
    assert p_values[2:].min() > 0.01
    assert {row["segment_size"] for row in rows} == {N}
    assert {row["m"] for row in rows} == {1}


@pytest.mark.slow
@pytest.mark.parametrize(("slope", "level"), [(0.0, 0.0), (1.0, 100.0), (2.0, 200.0)])
def test_flares_without_a_pulsation_raise_no_more_alarms_than_chance(lightcurve, slope, level):
    """40 flares: p at most 0.1 in four of them, eleven with 4 sigma; 40 with a pulsation: 9 in 10 found."""
    rng = np.random.default_rng(92)
    p_values, _ = _p_values(lightcurve, [_flare(rng, slope, level, 0.0) for _ in range(40)])
    assert np.sum(p_values < 0.1) <= 11
    assert np.sum(p_values < 0.01) <= 3
    p_values, _ = _p_values(lightcurve, [_flare(rng, slope, level, 0.03) for _ in range(40)])
    assert np.mean(p_values < 0.01) >= 0.9
