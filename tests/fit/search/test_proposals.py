"""Where a peak is proposed: at the highest scores that do not overlap, whatever the other spectra of a batch are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pipeline.components import COMPONENTS
from pipeline.fit import Model, Spectra
from pipeline.fit.model.padding import padded_length
from pipeline.fit.objectives import peaks, templates
from pipeline.fit.objectives.peaks import Reach
from pipeline.fit.search.proposals import LEAST_RIVAL, _candidates, propose
from pipeline.fit.search.starts import data_bounds

EDGES = np.geomspace(0.1, 1000, 201)
GRID, WIDTHS = (EDGES[:-1] + EDGES[1:]) / 2, np.diff(EDGES)
QPO = Model.from_components("m", ["constant", "power_law", "lorentzian"])
BASE = np.array([np.log(0.01), np.log(0.3), 1.5, 0.0, 0.0, 0.0])


def _lorentzian(grid, variance, frequency, half):
    return variance * half / np.pi / (half**2 + (grid - frequency) ** 2)


def _drawn(expected, seed, n=300.0):
    """Spectra of an expected power of shape (bins, lanes)."""
    weight = np.full(expected.shape, n)
    return np.random.default_rng(seed).gamma(weight, expected / weight), weight


def _fine(lanes=3, second=0.0):
    """A power law, noise and a peak at 5 Hz, of high signal, and perhaps one at 60 Hz."""
    grid = np.repeat(GRID[:, None], lanes, axis=1)
    expected = 0.01 + 0.3 * grid**-1.5 + _lorentzian(grid, 0.02, 5.0, 0.4)
    expected += _lorentzian(grid, second, 60.0, 3.0)
    power, weight = _drawn(expected, 4)
    return Spectra(grid, power, weight), np.repeat(WIDTHS[:, None], lanes, axis=1)


def _proposed(spectra, widths, count=3, model=QPO, u=BASE):
    """Propose the last component of a model beside the others."""
    lanes = spectra.power.shape[1]
    lower, upper = data_bounds(model, spectra, widths)
    active = np.ones((len(model.slots), lanes), bool)
    active[-1] = False
    whole = np.repeat(np.asarray(u, float)[:, None], lanes, axis=1)
    slot = len(model.slots) - 1
    return propose(model, slot, "gamma", spectra, whole, active, lower, upper, count)


def _on_device(arrays):
    return jax.tree.map(jnp.asarray, arrays)


def test_two_peaks_are_two_starts_and_one_peak_is_one():
    found = _proposed(*_fine(second=0.06))
    frequency = np.exp(found.u[:2, 4])
    np.testing.assert_allclose(np.sort(frequency, axis=0), [[5.0] * 3, [60.0] * 3], rtol=0.1)
    assert found.worth[:2].all()
    alone = _proposed(*_fine(), count=2)
    np.testing.assert_allclose(np.exp(alone.u[0, 4]), 5.0, rtol=0.1)
    assert alone.worth[0].all()
    assert not alone.worth[1:].any()


def test_a_broad_peak_is_tried_where_a_narrow_one_does_no_better():
    """Instead of a bend: it takes the place of the power law."""
    grid = np.repeat(GRID[:, None], 2, axis=1)
    power, weight = _drawn(0.01 + _lorentzian(grid, 0.3, 0.0, 3.0), 6)
    spectra, widths = Spectra(grid, power, weight), np.repeat(WIDTHS[:, None], 2, axis=1)
    found = _proposed(spectra, widths, count=4, u=[np.log(0.01), np.log(0.02), 0.8, 0, 0, 0])
    q = np.exp(found.u[:, 4] - found.u[:, 5])
    assert ((q < 0.6) & found.worth).any(axis=0).all()
    assert found.worth[-1].all() or (q[0] < 0.6).any()


@pytest.mark.parametrize(
    ("name", "averaged"), [("lorentzian", True), ("lorentzian", False), ("harvey", False)]
)
def test_scores_are_the_same_one_by_one_and_as_products_of_matrices(name, averaged):
    spectra, widths = _fine()
    shared = Spectra(GRID[:, None], spectra.power, spectra.weight, None)
    if averaged:
        spectra = spectra._replace(width=widths)
        shared = shared._replace(width=widths[:, :1])
    model = Model.from_components("m", ["constant", name])
    declared, tried = COMPONENTS[name], COMPONENTS[name].trials
    u, active = np.zeros((model.size, 3)), np.array([[True] * 3, [False] * 3])
    u[0] = np.log(0.02)
    places, narrowest = np.geomspace(0.2, 500, 20), np.array([0.01])
    grid, u, active, places, narrowest = _on_device((GRID[:, None], u, active, places, narrowest))
    spectra, shared = _on_device((spectra, shared))
    arguments = spectra, u, active, jnp.tile(places[:, None], 3), jnp.tile(narrowest, 3)
    slow = peaks.scores(model, "gamma", declared, tried, *arguments)
    known = templates.templates(declared, tried, grid, shared.width, places, narrowest)
    fast = templates.matches(model, "gamma", known, shared, u, active)
    best = np.argmax(np.asarray(slow.score), axis=0)
    lanes = np.arange(3)
    place = np.asarray(slow.place)[best, lanes]
    np.testing.assert_array_equal(np.argmax(np.asarray(fast.score), axis=0), place)
    np.testing.assert_array_equal(np.asarray(fast.shape)[place, lanes], best)
    for name_of in ("score", "variance"):
        one, other = np.asarray(getattr(slow, name_of)), np.asarray(getattr(fast, name_of))
        np.testing.assert_allclose(other[place, lanes], one[best, lanes], rtol=1e-5)


def test_a_proposal_does_not_depend_on_the_other_spectra():
    """Nor on how many of them have the same bins."""
    spectra, widths = _fine(12)
    other = spectra.frequency.copy()
    other[:, [3, 7, 8]] *= 1.01
    mixed = spectra._replace(frequency=other)
    together = _proposed(mixed, widths)
    for lane in (0, 3, 11):
        alone = _proposed(mixed.take([lane]), widths[:, [lane]])
        np.testing.assert_array_equal(alone.u[:, :, 0], together.u[:, :, lane])
        np.testing.assert_array_equal(alone.worth[:, 0], together.worth[:, lane])


def test_a_given_start_comes_first_and_then_the_best_place_without_it():
    told = {"lorentzian": {"frequency": {"start": 300.0}}}
    model = Model.from_components("m", ["constant", "power_law", told])
    found = _proposed(*_fine(), model=model)
    np.testing.assert_allclose(np.exp(found.u[0, 4]), 300.0)
    np.testing.assert_allclose(np.exp(found.u[1, 4]), 5.0, rtol=0.1)
    assert found.worth[:2].all()


def test_broad_and_narrow_peaks_of_long_spectra_are_found():
    """Broad ones are looked for on averaged bins, wherever the weights are largest."""
    grid = np.linspace(0.1, 100, 1000)[:, None] * np.ones(2)
    expected = 0.01 + 0.3 * grid**-1.5
    expected[:, 0] += _lorentzian(grid[:, 0], 0.05, 20.0, 5.0)
    expected[:, 1] += _lorentzian(grid[:, 1], 0.005, 50.0, 0.15)
    power, weight = _drawn(expected, 5, n=100.0)
    weight[::3] *= 2.0
    found = _proposed(Spectra(grid, power, weight), np.full(grid.shape, 0.1), count=1)
    np.testing.assert_allclose(np.exp(found.u[0, 4]), [20.0, 50.0], rtol=0.15)
    assert np.exp(found.u[0, 5, 0]) > 5 > 2 > np.exp(found.u[0, 5, 1])


def test_a_spectrum_without_any_excess_has_one_start():
    grid = np.repeat(GRID[:, None], 2, axis=1)
    expected = 0.01 + 0.3 * grid**-1.5
    spectra = Spectra(grid, 0.5 * expected, np.full(grid.shape, 30.0))
    found = _proposed(spectra, np.repeat(WIDTHS[:, None], 2, axis=1))
    assert np.isfinite(found.u).all()
    assert found.worth.sum(axis=0).tolist() == [1, 1]
    assert 0 < LEAST_RIVAL < 1


def test_a_peak_is_proposed_with_its_variance_and_only_a_peak_is():
    spectra, widths = _fine()
    found = _proposed(spectra, widths)
    np.testing.assert_allclose(np.exp(found.u[0, 3]), 0.02, rtol=0.5)
    lower, upper = data_bounds(QPO, spectra, widths)
    with pytest.raises(ValueError, match="is not a peak"):
        propose(QPO, 1, "gamma", spectra, lower, np.ones((3, 3), bool), lower, upper, 3)


def test_what_is_tied_to_another_component_is_proposed_where_that_one_says():
    spectra, widths = _fine()
    tie = {"frequency": {"tied": {"to": "lorentzian.1.frequency", "factor": 2}}}
    model = Model.from_components("m", ["constant", "lorentzian", {"lorentzian": tie}])
    u = np.log([0.01, 0.02, 4.0, 0.8, 1.0, 1.0, 1.0])
    found = _proposed(spectra, widths, model=model, u=u)
    np.testing.assert_allclose(np.exp(found.u[:, 5]), 8.0)


@pytest.mark.parametrize("bins", [70, 128, 200])
def test_a_peak_is_tried_at_the_same_frequencies_however_a_spectrum_is_padded(bins):
    found = []
    for length in (padded_length(bins), 384):
        frequency, weight = np.ones((length, 1)), np.zeros((length, 1))
        frequency[:bins, 0], weight[:bins] = np.linspace(1, 9, bins), 1.0
        reach = Reach(np.zeros(1), np.full(1, np.inf), np.zeros(1))
        found.append(_candidates(Spectra(frequency, frequency, weight), reach)[:, 0])
    few, many = found
    np.testing.assert_array_equal(few, many[: few.size])
    assert (many[few.size :] == few[-1]).all()
