"""Light curves keep what was measured; short gaps are bridged and long ones are not."""

import numpy as np

from pipeline.segment.intervals.curve import regularise
from pipeline.segment.intervals.series import LightCurve

NONE = np.zeros(0)


def _without(n, missing):
    time = np.delete(np.arange(float(n)), missing)
    return regularise(time, time * 2, np.ones(len(time)), 1.0, 2)


def test_short_gaps_are_filled_by_linear_interpolation():
    curve = _without(40, [10, 20, 21])
    assert curve.bins.tolist() == [40]
    np.testing.assert_allclose(curve.rate, 2.0 * np.arange(40))
    assert np.flatnonzero(curve.filled).tolist() == [10, 20, 21]
    assert len(curve.rate_err) == 40


def test_long_gaps_end_a_run():
    curve = _without(40, [10, 11, 12])
    assert curve.bins.tolist() == [10, 27]
    assert curve.first.tolist() == [0, 10]
    assert not curve.filled.any()
    np.testing.assert_allclose(curve.rate[10:12], [26.0, 28.0])


def test_a_run_that_is_mostly_gaps_is_not_made_up():
    time = np.concatenate([np.arange(0, 40, 2), np.arange(100, 200)]).astype(float)
    curve = regularise(time, time, NONE, 1.0, 2)
    assert curve.bins.tolist() == [1] * 20 + [100]
    assert not curve.filled.any()


def test_a_barycentred_cadence_may_drift_by_many_bins():
    """The spacing is 1.001 dt for half a year, then 0.999: 4 bins of drift in 4,000."""
    time = np.cumsum(np.where(np.arange(8000) < 4000, 1.001, 0.999))
    assert regularise(time, np.ones(8000), NONE, 1.0, 2).bins.tolist() == [8000]


def test_a_bin_given_twice_counts_once():
    curve = regularise(np.array([0.0, 1.0, 1.0, 2.0]), np.arange(4.0), NONE, 1.0, 2)
    assert curve.rate.tolist() == [0.0, 1.0, 3.0]


def test_no_bins_make_no_run():
    assert len(regularise(NONE, NONE, NONE, 1.0, 2).bins) == 0


def test_bins_partly_outside_good_time_are_dropped_unless_their_exposure_was_corrected(lightcurve):
    # the bin at 50.5 is half exposed
    gti = {"gti_start": np.array([0.0, 50.5]), "gti_stop": np.array([50.0, 100.0])}
    plain = LightCurve.cut(lightcurve(np.ones(100), **gti), 1.0, 0)
    assert plain.bins.tolist() == [50, 49]
    fracexp = np.where(np.arange(100) == 50, 0.5, 1.0)
    corrected = LightCurve.cut(lightcurve(np.ones(100), fracexp=fracexp, **gti), 1.0, 0)
    assert corrected.bins.tolist() == [100]


def test_gaps_of_any_length_cost_nothing():
    """The grid has the bins that are there: a time span of 10^12 s in bins of a microsecond."""
    time = np.array([0.0, 1e-6, 2e-6, 1e12, 1e300])
    curve = regularise(time, np.ones(5), NONE, 1e-6, 2)
    assert curve.bins.tolist() == [3, 1, 1]
