"""The fits of each product of a shard: the chosen one, its closest rival, and its evidence for a peak."""

from dataclasses import dataclass
from math import inf, nan

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.groups import best_of, count_of, least_of, pick, ranks
from pipeline.catalog.parameters import is_peak
from pipeline.catalog.qpo import PeakTests, tests_of
from pipeline.components import is_white_noise
from pipeline.status import HAS_RESULT


@dataclass(frozen=True)
class Fits:
    """The fits of each product of a shard.

    Attributes
    ----------
    product : int array, shape (models,)
        Which product each row of MODELS is of, -1 for none.
    chosen : int array, shape (products,)
        Row of MODELS of the chosen fit, -1 where there is no result.
    runner_up : object array of str, shape (products,)
        The second best description: another model, or the chosen one with or without one of its components.
    delta_bic : float array, shape (products,)
        By how much its BIC is higher; NaN where there is none.
    fall_of_bic : float array, shape (products,)
        BIC of the chosen fit less that of the best model without a Lorentzian: minus infinity where every model
        has one, infinity where there is no chosen fit.
    is_constant : bool array, shape (products,)
        Whether the chosen fit has no component except the constant noise level.
    tests : PeakTests
        The tests for a peak.
    """

    product: np.ndarray
    chosen: np.ndarray
    runner_up: np.ndarray
    delta_bic: np.ndarray
    fall_of_bic: np.ndarray
    is_constant: np.ndarray
    tests: PeakTests


def fits_of(models: pa.Table, product: np.ndarray, n_products: int) -> Fits:
    """Return the fits of each product.

    Parameters
    ----------
    models : pyarrow.Table
        Rows of MODELS.
    product : int array, shape (models,)
        Which product each is of, -1 for none.
    n_products : int
        How many products there are.
    """
    best = models.column("best").to_numpy()
    bic, rival_bic = (models.column(n).to_numpy() for n in ("bic", "rival_delta_bic"))
    has_result = with_result(models)
    with_peak, constant = _kinds(models)
    compared = has_result & np.isfinite(bic)
    # the last one, should a product have two
    reverse = np.arange(best.size)[::-1]
    chosen = best_of(product, n_products, has_result & best, reverse)
    least = least_of(product, n_products, np.where(compared & best, bic, nan))
    without = least_of(product, n_products, np.where(compared & ~with_peak, bic, nan))
    with np.errstate(invalid="ignore"):
        fall = np.where(np.isfinite(least), least - without, inf)
    runner_up, delta_bic = _runners_up(models, product, n_products, compared, rival_bic)
    words = ("lrt_component", "lrt_frequency", "lrt_fwhm")
    tested = [models.column(name).to_numpy(zero_copy_only=False) for name in words]
    return Fits(
        product=product,
        chosen=chosen,
        runner_up=runner_up,
        delta_bic=delta_bic,
        fall_of_bic=fall,
        is_constant=pick(constant, chosen, False),
        tests=tests_of(product, n_products, models.column("lrt_p_value").to_numpy(), *tested),
    )


def _kinds(models: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return which models have a peak, and which have nothing but the constant noise level."""
    lists = models.column("components").combine_chunks()
    words = pc.dictionary_encode(lists.flatten())
    peaks, constants = (
        np.array([kind(name) for name in words.dictionary.to_pylist()], bool)
        for kind in (is_peak, is_white_noise)
    )
    code, row = words.indices.to_numpy(), pc.list_parent_indices(lists).to_numpy()
    with_peak = count_of(row, len(lists), peaks[code]) > 0
    return with_peak, count_of(row, len(lists), ~constants[code]) == 0


def with_result(models: pa.Table) -> np.ndarray:
    """Return which rows have a status under which there is a result."""
    statuses = pa.array([str(status) for status in HAS_RESULT], pa.string())
    return pc.is_in(models.column("status"), value_set=statuses).to_numpy()


def _runners_up(
    models: pa.Table,
    product: np.ndarray,
    n_products: int,
    compared: np.ndarray,
    rival_bic: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the second best description of each product, and by how much its BIC is higher.

    Models without a result are no rivals.
    """
    best = models.column("best").to_numpy()
    bic = models.column("bic").to_numpy()
    names = models.column("model").to_numpy(zero_copy_only=False)
    chosen = best_of(product, n_products, compared & best)
    others = np.flatnonzero(compared & ~best)
    others = others[chosen[product[others]] >= 0]
    decomposed = chosen[(chosen >= 0) & np.isfinite(pick(rival_bic, chosen, nan))]
    of = np.concatenate([product[others], product[decomposed]])
    delta = np.concatenate([bic[others] - bic[chosen[product[others]]], rival_bic[decomposed]])
    columns = [models.column(n).take(pa.array(decomposed)) for n in _DECOMPOSITION]
    rivals = [_rival(*row) for row in zip(*(c.to_pylist() for c in columns), strict=True)]
    name = np.concatenate([names[others], np.array(rivals, object)])
    closest = best_of(of, n_products, np.ones(of.size, bool), delta, ranks(name))
    return pick(name, closest, ""), pick(delta, closest, nan)


_DECOMPOSITION = ("model", "components", "rival_components")


def _rival(model: str, components: list[str], rival_components: list[str]) -> str:
    """Return the name of the decomposition that lost to a model: the model with or without some components."""
    own, other = set(components), set(rival_components)
    parts = [f"without {c}" for c in sorted(own - other)]
    parts += [f"with {c}" for c in sorted(other - own)]
    return " ".join([model, *parts])
