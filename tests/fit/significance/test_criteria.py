"""What lets one more component stay, beside the BIC. With spectra: tests/fit/search/test_decompose.py."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline.fit import Batch, Engine, Model, PowerSpectrum, Spectra
from pipeline.fit.search.decompose import Step
from pipeline.fit.significance import criteria

LANES = np.array([4, 0, 2])
BINS = np.array([100, 100, 1000, 100, 100])


@pytest.fixture
def step(model_fit):
    """Function that makes a step of three lanes with these deviances; the second slot makes the difference."""
    model = Model.from_components("peak", ["constant", "lorentzian"])
    grid = np.repeat(np.linspace(0.1, 12.8, 1000)[:, None], 5, axis=1)
    weight = np.where(np.arange(1000)[:, None] < BINS, 20.0, 0.0)
    spectra = Spectra(grid, np.ones(grid.shape), weight)
    batch = Batch(Engine(PowerSpectrum(model)), spectra, np.full(grid.shape, 0.01))
    fit = model_fit(model, np.ones((4, 3))).fit
    without, having = np.ones((2, 2, 3), bool)
    without[1] = False

    def make(small, large):
        fits = [replace(fit, deviance=np.array(deviance, float)) for deviance in (small, large)]
        return Step(batch, LANES, 1, *fits, without, having)

    return make


def test_the_evidence_decides_where_it_is_known_and_the_bic_elsewhere(monkeypatch, step):
    known = {False: [0.0, 0.0, np.nan], True: [3.0, 1.0, 9.0]}  # without and with the component
    monkeypatch.setattr(
        criteria, "_evidence", lambda step, fit, active, *_: np.array(known[bool(active[1, 0])])
    )
    stays = criteria.by_evidence([[1]] * 5, least=4.0)
    penalty = 3 * np.log(20 * 1000)
    assert stays(step([0, 99, penalty + 5], [0, 0, 0])).tolist() == [True, False, True]
    assert stays(step([0, 99, penalty + 3], [0, 0, 0])).tolist() == [True, False, False]


def test_a_ratio_beyond_doubt_needs_no_simulation(step):
    """chi2 with three degrees of freedom and a trial a bin, a million times below alpha: 49.5 at 100 bins."""
    at = step([48.0, 52.0, 53.0], [0.0, 0.0, 0.0])
    assert criteria._beyond_doubt(at, 0.01).tolist() == [
        False,
        True,
        False,
    ]  # the last of 1,000 bins
    assert criteria._beyond_doubt(step([np.nan] * 3, [0.0] * 3), 0.01).tolist() == [False] * 3


def test_seeds_differ_by_spectrum_component_and_set_of_components(step):
    seeds = [[7, lane] for lane in range(5)]
    at = step([0] * 3, [0] * 3)
    found = criteria._seeds(at, seeds, at.having)
    assert found == [[7, 4, 1, 3], [7, 0, 1, 3], [7, 2, 1, 3]]
    assert criteria._seeds(at, seeds, at.without) == [[7, lane, 1, 2] for lane in (4, 0, 2)]


@pytest.mark.parametrize("alpha", [0.01, 0.2])
def test_the_p_value_is_compared_with_alpha_where_there_is_doubt(monkeypatch, step, alpha):
    monkeypatch.setattr(criteria, "_beyond_doubt", lambda step, _: np.array([False, True, False]))
    monkeypatch.setattr(criteria, "_finished", lambda *_: None)
    asked = []

    def detect(batch, null, seeds, **options):
        asked.append((seeds, options["slot"]))
        return SimpleNamespace(p=SimpleNamespace(p_value=np.array([0.05, 0.005])))

    monkeypatch.setattr(criteria, "detect_peak", detect)
    at = step([1] * 3, [0] * 3)
    stays = criteria.by_p_value(at.batch.engine, [[7, lane] for lane in range(5)], alpha=alpha)
    assert stays(at).tolist() == [alpha > 0.05, True, True]
    assert asked == [([[7, 4, 1, 3], [7, 2, 1, 3]], 1)]
