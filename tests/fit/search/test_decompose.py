"""Components come, and go again, by a stated criterion; what came closest is remembered."""

import numpy as np
import pytest

from pipeline.config.models import ComponentOptions
from pipeline.fit import Batch, Engine, Model, PowerSpectrum, fit_model
from pipeline.fit.search.decompose import Decomposition, by_bic
from pipeline.fit.significance import criteria
from pipeline.fit.significance.detection import detect_peak, peak_to_test

GRID = np.geomspace(0.01, 60, 200)
N = np.round(20 * np.maximum(1, GRID / 0.3))
WIDTHS = np.gradient(GRID)[:, None]
TWO = Model.from_components("two", ["constant", "lorentzian", "lorentzian"])
TRUE = [2.0, 30.0, 0.5, 1.2, 20.0, 3.0, 0.4]
LANES = 12


def comb(most, **options):
    told = ["constant", {"lorentzian": {"up_to": most}}]
    components = [ComponentOptions.model_validate(t) for t in told]
    return Engine(
        PowerSpectrum(Model.from_components("comb", components)), block_size=32, **options
    )


@pytest.fixture(scope="module")
def engine():
    return comb(3)


@pytest.fixture
def spectra(draw):
    return draw(TWO, TRUE, GRID, N, LANES, seed=12)[0]


def widths(spectra):
    return np.repeat(WIDTHS, spectra.power.shape[1], axis=1)


def always(step):
    return np.ones(step.lanes.size, bool)


@pytest.mark.slow
def test_what_is_not_needed_is_taken_away_again(engine, spectra):
    grown = fit_model(Batch(engine, spectra, widths(spectra)), criterion=always)
    assert (grown.active.sum(axis=0) == 4).all()
    batch = Batch(engine, spectra, widths(spectra))
    state = Decomposition(batch, grown.fit, grown.active, by_bic())
    state.prune()
    fit, active, rivals = state.fit, state.active, state.rivals
    assert np.median(active.sum(axis=0)) == 3
    gone = active.sum(axis=0) == 3
    peaks = np.where(active[1:], engine.objective.model.to_values(fit.u)[2::3], np.nan)
    np.testing.assert_allclose(np.nanmin(peaks, axis=0)[gone], 0.5, rtol=0.2)
    np.testing.assert_allclose(np.nanmax(peaks, axis=0)[gone], 3.0, rtol=0.05)
    # the model that lost a component has lost to the one without
    assert (rivals.active.sum(axis=0)[gone] == 4).all()
    lost = batch.bic(grown.fit.deviance, grown.active, np.arange(LANES))
    np.testing.assert_allclose(rivals.bic[gone], lost[gone])
    assert (lost > batch.bic(fit.deviance, active, np.arange(LANES)))[gone].all()


@pytest.mark.slow
def test_the_rival_is_what_lost_by_the_least(engine, spectra):
    result = fit_model(Batch(engine, spectra, widths(spectra)))
    chosen = result.active.sum(axis=0) == 3
    assert chosen.sum() >= LANES - 2
    both = [
        fit_model(Batch(comb(k), spectra, widths(spectra)), criterion=always).bic for k in (1, 3)
    ]
    closest = np.min(both, axis=0)
    np.testing.assert_allclose(result.rival_bic[chosen], closest[chosen], atol=0.5)
    assert (result.rival_bic > result.bic)[chosen].all()
    assert (result.rival != result.active).any(axis=0).all()
    np.testing.assert_array_equal(result.take(np.array([3, 5])).rival_bic, result.rival_bic[[3, 5]])


def test_without_optional_components_there_is_no_rival(spectra):
    result = fit_model(Batch(comb(1), spectra, widths(spectra)))
    assert np.isinf(result.rival_bic).all()
    assert not result.rival.any()


def test_evidence_decides_as_it_says(engine, spectra):
    seeds = [[1, lane] for lane in range(LANES)]
    asked = []

    def stays(step):
        answer = criteria.by_evidence(seeds, draws=256)(step)
        asked.append((step.delta_bic, answer))
        return answer

    result = fit_model(Batch(engine, spectra, widths(spectra)), criterion=stays)
    assert np.median(result.active.sum(axis=0)) == 3
    assert asked[0][1].all()  # the second peak
    bic, answer = (np.concatenate(column) for column in zip(*asked, strict=True))
    sure = np.abs(bic) > 30  # its own prior is vaguer than the bounds: it asks for more
    assert (answer[sure] == (bic > 0)[sure]).all(), (bic, answer)
    high = criteria.by_evidence(seeds, least=1e9, draws=256)
    none = fit_model(Batch(engine, spectra, widths(spectra)), criterion=high)
    assert (none.active.sum(axis=0) == 2).all()


def test_evidence_that_is_not_known_leaves_it_to_the_bic(engine, spectra, monkeypatch):
    monkeypatch.setattr(criteria, "_evidence", lambda step, *_: np.full(step.lanes.size, np.nan))
    seeds = [[1, lane] for lane in range(LANES)]
    result = fit_model(
        Batch(engine, spectra, widths(spectra)), criterion=criteria.by_evidence(seeds)
    )
    same = fit_model(Batch(engine, spectra, widths(spectra)))
    np.testing.assert_array_equal(result.active, same.active)


@pytest.mark.slow
def test_a_calibrated_ratio_lets_a_real_peak_stay_and_noise_go(draw):
    engine = comb(2)
    one = Model.from_components("one", ["constant", "lorentzian"])
    true = [*TRUE[:4], 0.6, *TRUE[5:]]
    spectra = [draw(m, true[: m.size], GRID, N, 5, seed=21)[0] for m in (one, TWO)]
    both = type(spectra[0])(
        *(np.concatenate(a, axis=1) for a in zip(*(s[:3] for s in spectra), strict=True))
    )
    seeds = [[1, lane] for lane in range(10)]
    asked, single = [], comb(2, precision="float32")
    criterion = criteria.by_p_value(single, seeds, draws=128, enough=5)

    def stays(step):
        asked.append(~criteria._beyond_doubt(step, 0.01))
        return criterion(step)

    result = fit_model(Batch(engine, both, widths(both)), criterion=stays)
    assert result.active[2].tolist() == [False] * 5 + [True] * 5
    simulated = asked[0]
    assert simulated[:5].all()
    assert simulated[5:].any()  # not only those beyond doubt stay


def test_the_strongest_narrow_peak_is_tested_against_the_model_without_it(engine, spectra):
    result = fit_model(Batch(engine, spectra, widths(spectra)))
    slot = peak_to_test(Batch(engine, spectra, widths(spectra)), result, 2.0)
    assert result.active[slot, np.arange(LANES)].all()
    place = engine.objective.model.to_values(result.fit.u)[
        [engine.objective.model.index[s][1] for s in slot]
    ]
    np.testing.assert_allclose(np.diagonal(place), 3.0, rtol=0.05)
    # where none is narrow enough there is none: `pipeline.fit.analyses.detection` then asks for one more
    assert (peak_to_test(Batch(engine, spectra, widths(spectra)), result, 100.0) == -1).all()
    some = np.flatnonzero(slot == slot[0])[:2]
    found = detect_peak(
        Batch(engine, spectra.take(some), widths(spectra)[:, some]),
        result.take(some),
        [[1, lane] for lane in some.tolist()],
        slot=int(slot[0]),
        draws=64,
    )
    assert (found.ratio > 1000).all()
    assert (found.p.reached == 0).all()
    # by the same fits: the model without it is one peak and the constant
    alone = fit_model(
        Batch(comb(1), spectra.take(some), widths(spectra)[:, some]), criterion=always
    )
    expected = alone.fit.deviance - result.take(some).fit.deviance
    two = result.active[:, some].sum(axis=0) == 3
    np.testing.assert_allclose(found.ratio[two], expected[two], rtol=0.02)
