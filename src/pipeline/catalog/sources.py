"""Bands and observations of each source together: the evidence of all of them, the values of one."""

import functools
import operator
from dataclasses import dataclass
from math import inf, nan

import numpy as np

from pipeline.catalog.groups import (
    NONE,
    any_of,
    best_of,
    count_of,
    pick,
    ranks,
)
from pipeline.catalog.products import Products
from pipeline.pvalues import combine
from pipeline.status import Flag

OF_QPO = functools.reduce(
    operator.or_, (f for f in Flag if str(f.name).startswith("QPO_")), Flag.NO_P_VALUE
)
"""Flags that go where the QPO goes."""

_SIGNIFICANT = 0.01
"""Largest p-value of a peak in one observation that the source's row mentions."""


@dataclass(frozen=True)
class Chosen:
    """The products that stand for each source, and the evidence of all its products together.

    Attributes
    ----------
    product : int array, shape (sources,)
        The product that stands for the source, -1 where there is none.
    n_averaged, n_fitted : int array, shape (sources,)
        Its products that are not of a single observation, and how many of these were fitted.
    longest : float array, shape (products,)
        Longest segments among the source's products of the same light curves, s.
    qpo : int array, shape (sources,)
        The product that its QPO is of, or where there is none the test for a peak; -1 for none.
    has_qpo : bool array, shape (sources,)
        Whether there is a QPO.
    qpo_p_value : float array, shape (sources,)
        p-value of all its products together; NaN where that of `qpo` is.
    qpo_trials : int array, shape (sources,)
        How many products were tested.
    pulse : int array, shape (sources,)
        The product that shows its pulsation best, -1 for none.
    pulse_p_value : float array, shape (sources,)
        p-value of all its products together.
    """

    product: np.ndarray
    n_averaged: np.ndarray
    n_fitted: np.ndarray
    longest: np.ndarray
    qpo: np.ndarray
    has_qpo: np.ndarray
    qpo_p_value: np.ndarray
    qpo_trials: np.ndarray
    pulse: np.ndarray
    pulse_p_value: np.ndarray


@dataclass(frozen=True)
class Epochs:
    """The evidence of the single observations of each source.

    Attributes
    ----------
    count : int array, shape (sources,)
        How many observations have products of their own.
    best : int array, shape (sources,)
        The product with the smallest p-value of a peak, -1 where none was tested.
    p_value : float array, shape (sources,)
        p-value of all of them together.
    is_seen : bool array, shape (sources,)
        Whether there is a QPO in one of them: a significant one, where they were tested.
    """

    count: np.ndarray
    best: np.ndarray
    p_value: np.ndarray
    is_seen: np.ndarray


def choose(products: Products, n_sources: int) -> Chosen:
    """Choose the products that stand for each source; those of single observations take no part.

    One product stands for the source: a fitted one, then the one with most data. Most data are most counts;
    where counts mean nothing (fluxes, spectra), exposure times mean rate; then most segments. The QPO is that
    of the product with the best evidence, its p-value that of all products together. Products that tie are
    taken in the order of their names.
    """
    group = np.where(products.epoch == "", products.source, NONE)
    everywhere, name = np.ones(group.size, bool), ranks(products.name)
    product = best_of(
        group, n_sources, everywhere, ~products.is_fitted, -products.weight, -products.m, name
    )
    has_qpo, p_value = np.isfinite(products.qpo_frequency), products.qpo_p_value
    with_qpo = any_of(group, n_sources, has_qpo)
    is_candidate = np.where(with_qpo[products.source], has_qpo, np.isfinite(p_value))
    qpo = best_of(
        group,
        n_sources,
        is_candidate,
        np.where(np.isfinite(p_value), p_value, inf),
        products.fall_of_bic,
        product[products.source] != np.arange(group.size),
        name,
    )
    pulse_p_value = products.pulse_p_value
    pulse = best_of(group, n_sources, np.isfinite(pulse_p_value), pulse_p_value, name)
    return Chosen(
        product=product,
        n_averaged=count_of(group, n_sources, everywhere),
        n_fitted=count_of(group, n_sources, products.is_fitted),
        longest=_longest(products, group),
        qpo=qpo,
        has_qpo=with_qpo,
        qpo_p_value=np.where(
            np.isfinite(pick(p_value, qpo, nan)), combined(group, n_sources, p_value), nan
        ),
        qpo_trials=count_of(group, n_sources, np.isfinite(p_value)),
        pulse=pulse,
        pulse_p_value=combined(group, n_sources, pulse_p_value),
    )


def epochs_of(products: Products, n_sources: int) -> Epochs:
    """Return the evidence of the products of single observations."""
    group = np.where(products.epoch == "", NONE, products.source)
    pairs = {
        (source, epoch)
        for source, epoch in zip(group.tolist(), products.epoch.tolist(), strict=True)
        if epoch
    }
    count = np.zeros(n_sources, np.int64)
    for source, _ in pairs:
        count[source] += 1
    tested = np.isfinite(products.qpo_p_value)
    p_value = combined(group, n_sources, products.qpo_p_value)
    with_qpo = any_of(group, n_sources, np.isfinite(products.qpo_frequency))
    are_tested = any_of(group, n_sources, tested)
    return Epochs(
        count=count,
        best=best_of(group, n_sources, tested, products.qpo_p_value),
        p_value=p_value,
        is_seen=np.where(are_tested, p_value <= _SIGNIFICANT, with_qpo),
    )


def combined(group: np.ndarray, n_groups: int, p_values: np.ndarray) -> np.ndarray:
    """Return the p-value of all tests of each group together, NaN where there was none."""
    out = np.full(n_groups, nan)
    rows = np.flatnonzero((group >= 0) & np.isfinite(p_values))
    rows = rows[np.argsort(group[rows], kind="stable")]
    count = np.bincount(group[rows], minlength=n_groups)
    first = np.cumsum(count) - count
    for size in np.unique(count[count > 0]):
        own = np.flatnonzero(count == size)
        tests = p_values[rows[first[own][:, None] + np.arange(size)]]
        out[own] = combine(tests, axis=1)
    return out


def _longest(products: Products, group: np.ndarray) -> np.ndarray:
    """Return the longest segments among the products of a group that are from the same light curves."""
    series = ranks(products.series)
    _, own = np.unique(group * (series.max(initial=0) + 1) + series, return_inverse=True)
    longest = np.full(own.max(initial=-1) + 1, nan)
    np.fmax.at(longest, own, products.segment_size)
    return longest[own]
