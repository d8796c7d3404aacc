"""False-discovery rates are those of Benjamini and Hochberg."""

import numpy as np
from scipy.stats import false_discovery_control

from pipeline.catalog.fdr import DiscoveryRates, q_values
from pipeline.columns.catalogue import EPOCHS, SOURCES
from pipeline.tables import columns_to_arrow


def test_they_are_those_of_scipy_and_nan_stays_nan():
    p = np.random.default_rng(1).uniform(size=200) ** 2
    p[::7] = np.nan
    there = np.isfinite(p)
    found = q_values(p)
    np.testing.assert_allclose(found[there], false_discovery_control(p[there]), rtol=1e-12)
    assert np.isnan(found[~there]).all()
    assert q_values([]).size == 0


def test_the_rates_of_a_table_do_not_depend_on_the_parts_that_it_comes_in():
    rng = np.random.default_rng(3)
    p = np.round(rng.uniform(size=100) ** 2, 2)  # some are equal
    p[::9] = np.nan
    columns = {"qpo_p_value": p, "qpo_frequency": np.where(np.arange(100) % 3, 5.0, np.nan)}
    rows = columns_to_arrow(SOURCES, columns | {"outlier_p_value": p[::-1].copy()})
    rates = DiscoveryRates()
    for start in (60, 0, 30):
        rates.add(rows.slice(start, 40 if start == 60 else 30))
    found = rates.filled(rows.slice(10, 50))
    tested = np.where(np.isfinite(columns["qpo_frequency"]) | np.isnan(p), p, 1.0)
    expected = np.where(np.isfinite(columns["qpo_frequency"]), q_values(tested), np.nan)
    np.testing.assert_array_equal(found["qpo_q_value"].to_numpy(), expected[10:60])
    np.testing.assert_array_equal(found["outlier_q_value"].to_numpy(), q_values(p[::-1])[10:60])
    epochs = columns_to_arrow(EPOCHS, columns)
    assert rates.filled(epochs).column_names == list(EPOCHS.names)


def test_the_rate_among_discoveries_is_kept():
    """100 surveys of 400 sources of which 40 have a signal: at q < 0.1, fewer than 10 % are false."""
    rng = np.random.default_rng(2)
    false = []
    for _ in range(100):
        p = np.concatenate([rng.uniform(size=360), rng.uniform(size=40) ** 8])
        found = q_values(p) < 0.1
        false.append(found[:360].sum() / max(found.sum(), 1))
    assert 0.05 < np.mean(false) < 0.12
