"""False-discovery rates are those of Benjamini and Hochberg."""

import numpy as np
from scipy.stats import false_discovery_control

from pipeline.catalog.fdr import q_values


def test_they_are_those_of_scipy_and_nan_stays_nan():
    p = np.random.default_rng(1).uniform(size=200) ** 2
    p[::7] = np.nan
    there = np.isfinite(p)
    found = q_values(p)
    np.testing.assert_allclose(found[there], false_discovery_control(p[there]), rtol=1e-12)
    assert np.isnan(found[~there]).all()
    assert q_values([]).size == 0


def test_the_rate_among_discoveries_is_kept():
    """100 surveys of 400 sources of which 40 have a signal: at q < 0.1, fewer than 10 % are false."""
    rng = np.random.default_rng(2)
    false = []
    for _ in range(100):
        p = np.concatenate([rng.uniform(size=360), rng.uniform(size=40) ** 8])
        found = q_values(p) < 0.1
        false.append(found[:360].sum() / max(found.sum(), 1))
    assert 0.05 < np.mean(false) < 0.12
