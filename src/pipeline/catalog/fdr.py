"""False-discovery rates over the sources of a catalogue."""

import numpy as np
import pyarrow as pa


def q_values(p_values: np.ndarray) -> np.ndarray:
    """Return the false-discovery rates at which tests are significant (Benjamini & Hochberg 1995).

    J. R. Stat. Soc. B 57, 289. The smallest rate at which each is among the discoveries; NaN stays NaN.

    Parameters
    ----------
    p_values : array, shape (tests,)
        NaN where there was no test.
    """
    p = np.asarray(p_values, float)
    tests = np.sort(p[np.isfinite(p)])
    rates = tests * tests.size / np.arange(1, tests.size + 1)
    rates = np.minimum.accumulate(rates[::-1])[::-1].clip(max=1.0)
    return _rates_at(p, tests, rates)


def _rates_at(p: np.ndarray, tests: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Return the rates of p-values that are among sorted ones: equal p-values have one rate."""
    out, there = np.full(p.shape, np.nan), np.isfinite(p)
    out[there] = rates[np.searchsorted(tests, p[there], side="right") - 1]
    return out


class DiscoveryRates:
    """The false-discovery rates of SOURCES or EPOCHS, which are of a whole table and not of a row.

    First the p-values of all rows are added, in any order; then the rates of any rows can be filled in. Of QPOs,
    the test of one more peak counts as a test, but without a QPO there is no discovery.
    """

    def __init__(self) -> None:
        self._p_values: dict[str, list[np.ndarray]] = {"qpo": [], "outlier": []}
        self._known: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def add(self, rows: pa.Table) -> None:
        """Add the p-values of rows."""
        for name, found in self._p_values.items():
            p = _p_values(rows, name)
            found.append(p[np.isfinite(p)])

    def filled(self, rows: pa.Table) -> pa.Table:
        """Return rows with their false-discovery rates."""
        for name in self._p_values:
            if f"{name}_q_value" not in rows.column_names:
                continue
            if name not in self._known:
                tests = np.sort(np.concatenate([np.empty(0), *self._p_values[name]]))
                self._known[name] = tests, q_values(tests)
            rates = _rates_at(_p_values(rows, name), *self._known[name])
            if name == "qpo":
                rates[~np.isfinite(rows.column("qpo_frequency").to_numpy())] = np.nan
            place = rows.column_names.index(f"{name}_q_value")
            rows = rows.set_column(place, rows.schema.field(place), pa.array(rates))
        return rows


def _p_values(rows: pa.Table, name: str) -> np.ndarray:
    """Return the p-values of a test that count; one where there is no QPO."""
    p = rows.column(f"{name}_p_value").to_numpy()
    if name != "qpo":
        return p
    without = ~np.isfinite(rows.column("qpo_frequency").to_numpy())
    return np.where(without & np.isfinite(p), 1.0, p)
