"""From two bands of an observation to a row of CROSS."""

import numpy as np
import pytest

from pipeline.config.segment import SegmentOptions
from pipeline.segment.observation import Observations
from pipeline.segment.products import named
from pipeline.segment.products.cross.table import CROSS
from pipeline.simulate.timmer_koenig import series
from pipeline.status import Flag, Status
from pipeline.tables import rows_of, to_arrow

DT, LATE = 1 / 32, 3 / 32
SOFT = {"band_lo": 0.5, "band_hi": 2.0, "product": "soft"}
HARD = {"band_lo": 2.0, "band_hi": 10.0, "product": "hard"}


def _items(observations, **options):
    headers = [one.header for one in observations]
    return named("cross").items(headers, None, SegmentOptions(**options))


def _rows(*observations, **options):
    read = Observations.held(observations).read
    options = SegmentOptions(**options)
    found = [
        row
        for item in named("cross").items([one.header for one in observations], None, options)
        for row in named("cross").rows(item, read, options)
    ]
    return rows_of(to_arrow(CROSS, found))


def _signals(seed, n):
    """Red noise, and the same `LATE` seconds later."""
    rng = np.random.default_rng([seed, 5])
    late = round(LATE / DT)
    signal = series(lambda f: 0.05 / (1 + f**2), n + late, DT, rng)
    return signal[late:], signal[:-late], rng


def _curves(lightcurve, seed=1, seconds=2000, rate=2000.0, hard=HARD, soft=SOFT):
    first, later, rng = _signals(seed, round(seconds / DT))
    counts = [rng.poisson(np.clip(rate * (1 + s), 0, None) * DT) / DT for s in (first, later)]
    return lightcurve(counts[0], dt=DT, **soft), lightcurve(counts[1], dt=DT, **hard)


def _events(events, seed=2, seconds=1500, rate=1500.0):
    first, later, rng = _signals(seed, round(seconds / DT))
    grid = np.arange(len(first)) * DT
    lists = []
    for signal, band in ((first, SOFT), (later, HARD)):
        counts = rng.poisson(np.clip(rate * (1 + signal), 0, None) * DT)
        time = np.repeat(grid, counts) + rng.uniform(0, DT, counts.sum())
        lists.append(events(gti=((0.0, float(seconds)),), time=np.sort(time), **band))
    return lists


@pytest.mark.parametrize("kind", ["lightcurve", "events"])
def test_the_lag_of_the_harder_band_is_found(request, kind):
    make = {"lightcurve": _curves, "events": _events}[kind]
    (row,) = _rows(*make(request.getfixturevalue(kind)), dt=DT)
    assert row["status"] == Status.OK
    assert row["product"] == "hard:soft"
    assert (row["band_lo"], row["ref_band_lo"]) == (2.0, 0.5)
    low = row["frequency"] < 1.0
    lag, error = row["time_lag"][low], row["time_lag_err"][low]
    assert np.isfinite(error).all()
    mean = np.sum(lag / error**2) / np.sum(1 / error**2)
    assert mean == pytest.approx(LATE, abs=5 / np.sqrt(np.sum(1 / error**2)))
    pull = (lag - LATE) / error
    assert 0.5 < np.mean(pull**2) < 1.7
    assert (row["coherence_lo"] <= row["coherence_hi"]).all()
    assert row["noise"] == pytest.approx(2 / row["mean_rate"], rel=1e-6)


def test_bands_that_are_not_coherent_have_limits_and_no_lag(lightcurve):
    rng = np.random.default_rng(8)
    white = [rng.poisson(40, 20_000) / DT for _ in range(2)]
    (row,) = _rows(lightcurve(white[0], dt=DT, **SOFT), lightcurve(white[1], dt=DT, **HARD))
    lacking = np.isnan(row["phase_lag"])
    assert 0.85 < lacking.mean() < 1.0  # 5 % have one by chance
    np.testing.assert_array_equal(lacking, row["coherence_p"] > 0.05)
    assert (row["coherence_limit"] > 0).mean() > 0.9
    assert row["coherence"].mean() == pytest.approx(np.mean(1 / row["n"]), rel=0.3)


def test_bands_that_overlap_or_are_not_known_make_no_pair(lightcurve):
    soft, hard = _curves(lightcurve, hard=HARD | {"band_lo": 1.5}, seconds=100)
    assert _items([soft, hard]) == []
    status, reason = named("cross").without_items([soft.header, hard.header])
    assert status == Status.NO_DATA
    assert "ingest.bands" in reason
    unknown = [
        lightcurve(np.ones(100), dt=DT, product=name, band_lo=np.nan, band_hi=np.nan)
        for name in ("a", "b")
    ]
    assert _items(unknown) == []


def test_several_observations_are_averaged_and_each_is_an_epoch(lightcurve):
    both = [
        one
        for number in ("1", "2")
        for one in _curves(
            lightcurve,
            seed=int(number),
            seconds=600,
            hard=HARD | {"observation_id": number},
            soft=SOFT | {"observation_id": number},
        )
    ]
    assert [item.epoch for item in _items(both)] == ["", "1", "2"]
    together, *epochs = _rows(*both, segment_size=64.0)
    assert together["n_observations"] == 2
    assert together["m"] == sum(row["m"] for row in epochs) == 18
    (one,) = _rows(*both[:2], segment_size=64.0)
    assert one["m"] == 9


def test_light_curves_of_other_times_have_nothing_in_common(lightcurve):
    soft, _ = _curves(lightcurve, seconds=200)
    _, hard = _curves(lightcurve, seconds=200, hard=HARD | {"t_start": 0.4 * DT})
    (row,) = _rows(soft, hard)
    assert row["status"] == Status.NO_DATA
    assert "bins" in row["reason"]
    _, hard = _curves(lightcurve, seconds=200, hard=HARD | {"t_start": 1e6})
    (row,) = _rows(soft, hard)
    assert "no good time in common" in row["reason"]


def test_gaps_of_one_band_are_gaps_of_both(lightcurve):
    soft, hard = _curves(lightcurve, seconds=400)
    rate = np.delete(hard.rate, np.arange(3000, 6000))
    time = np.delete(hard.time, np.arange(3000, 6000))
    hard = lightcurve(rate, dt=DT, time=time, **HARD)
    (row,) = _rows(soft, hard, segment_size=16.0)
    assert row["m"] == 3000 // 512 + (12800 - 6000) // 512
    assert not row["flags"] & Flag.GAPS_FILLED
