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
    out, there = np.full(p.shape, np.nan), np.flatnonzero(np.isfinite(p))
    order = there[np.argsort(p[there])]
    rates = p[order] * order.size / np.arange(1, order.size + 1)
    out[order] = np.minimum.accumulate(rates[::-1])[::-1].clip(max=1.0)
    return out


def with_q_values(rows: pa.Table) -> pa.Table:
    """Fill the false-discovery rates of SOURCES or EPOCHS, which are of a whole table and not of a row.

    Of QPOs, the test of one more peak counts as a test, but without a QPO there is no discovery.
    """
    for name in ("qpo", "outlier"):
        if f"{name}_q_value" not in rows.column_names:
            continue
        column = rows.column_names.index(f"{name}_q_value")
        p_values = rows.column(f"{name}_p_value").to_numpy()
        if name == "qpo":
            without = ~np.isfinite(rows.column("qpo_frequency").to_numpy())
            p_values = np.where(without & np.isfinite(p_values), 1.0, p_values)
        rates = q_values(p_values)
        if name == "qpo":
            rates[without] = np.nan
        rows = rows.set_column(column, rows.schema.field(column), pa.array(rates))
    return rows
