"""Which Lorentzian of each fitted model is the quasi-periodic oscillation, and whether a test was of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from pipeline.catalog.groups import best_of, first_of, pick
from pipeline.catalog.parameters import Peaks, members
from pipeline.prominence import is_narrow, prominence

AMBIGUOUS_RATIO = 0.5
"""A rival with so large a part of the rms of the QPO leaves open which of the two is the QPO."""

RATIOS = (1 / 3, 1 / 2, 2.0, 3.0, 4.0)
"""Frequencies of harmonics and sub-harmonics over that of the QPO."""
_SIGMAS, _MOST = 3.0, 0.1
"""How far off a harmonic may be: in errors, and in parts of its frequency."""


@dataclass(frozen=True)
class Qpos:
    """The QPO of each product.

    Attributes
    ----------
    peak, rival : int array, shape (products,)
        The peak that is the QPO, and the next most prominent narrow one; -1 for none.
    rival_ratio : float array, shape (products,)
        The rms of the rival over that of the QPO; NaN where there is none.
    """

    peak: np.ndarray
    rival: np.ndarray
    rival_ratio: np.ndarray


@dataclass(frozen=True)
class PeakTests:
    """The test for a peak of each product that was tested; the other products have row -1.

    Attributes
    ----------
    row : int array, shape (products,)
        Row of MODELS with the test.
    component : object array of str, shape (products,)
        The component that was tested against the model without it; empty where one more peak was.
    frequency, fwhm : float array, shape (products,)
        Of the peak that was tested, Hz.
    """

    row: np.ndarray
    component: np.ndarray
    frequency: np.ndarray
    fwhm: np.ndarray


@dataclass(frozen=True)
class Harmonics:
    """The harmonics of the QPO of each product, in order of frequency.

    Attributes
    ----------
    components : sequence of tuple of str
        Their names, one tuple for each product.
    ratios : sequence of tuple of float
        The ratio of `RATIOS` that each has to the QPO.
    """

    components: Sequence[tuple[str, ...]]
    ratios: Sequence[tuple[float, ...]]


def choose_qpos(
    peaks: Peaks,
    n_products: int,
    min_q: float,
    frequency_range: tuple[float, float] | None = None,
    spoiled: np.ndarray | None = None,
) -> Qpos:
    """Find the most prominent narrow Lorentzian of each product's model.

    It has the largest frequency times power at its centroid (`pipeline.prominence`) among the peaks whose
    frequency and variance are inside their bounds. The largest variance would take a shoulder for the peak
    that stands on it. A blend of Lorentzians (`pipeline.fit.tables.blends`) stands for all its members.

    Parameters
    ----------
    peaks : Peaks
        Of the fitted models.
    n_products : int
        How many products there are.
    min_q : float
        A QPO has a larger quality factor than this, with 95 % confidence (by convention 2: van der
        Klis 2006, in "Compact Stellar X-ray Sources", CUP, section 2.1).
    frequency_range : tuple of float, optional
        Lowest and highest centroid frequency, Hz.
    spoiled : bool array, shape (peaks,), optional
        Peaks that are no QPO whatever they look like.
    """
    lo, hi = frequency_range or (0.0, np.inf)
    may_be = (peaks.variance > 0) & np.asarray(is_narrow(peaks.quality, peaks.q_err_lo, min_q))
    may_be &= ~peaks.at_bound & (lo <= peaks.frequency) & (peaks.frequency <= hi)
    if spoiled is not None:
        may_be &= ~spoiled
    may_be &= ~_in_a_blend(peaks, may_be & peaks.is_blend)
    height = np.where(
        np.isfinite(peaks.peak_power),
        peaks.peak_power,
        prominence(peaks.variance, peaks.frequency, peaks.fwhm),
    )
    strongest = best_of(peaks.product, n_products, may_be, -height)
    may_be[strongest[strongest >= 0]] = False
    rival = best_of(peaks.product, n_products, may_be, -height)
    ratio = pick(peaks.variance, rival, nan) / pick(peaks.variance, strongest, nan)
    return Qpos(strongest, rival, np.sqrt(ratio))


def _in_a_blend(peaks: Peaks, blends: np.ndarray) -> np.ndarray:
    """Return which peaks are members of some blends."""
    hidden = {
        (peaks.product[k], member)
        for k in np.flatnonzero(blends)
        for member in members(peaks.component[k])
    }
    if not hidden:
        return np.zeros(blends.shape, bool)
    pairs = zip(peaks.product, peaks.component, strict=True)
    return np.array([pair in hidden for pair in pairs], bool)


def are_of(peaks: Peaks, qpos: Qpos, tests: PeakTests) -> np.ndarray:
    """Return in which products the peak that a test found is the QPO: their half-maximum ranges overlap.

    Where the place of the tested peak is not known, the name of its component decides.
    """
    frequency, fwhm = (pick(v, qpos.peak, nan) for v in (peaks.frequency, peaks.fwhm))
    reach = (fwhm + np.where(np.isfinite(tests.fwhm), tests.fwhm, 0.0)) / 2
    overlap = np.abs(frequency - tests.frequency) <= reach
    named = np.zeros(overlap.shape, bool)
    for product in np.flatnonzero((qpos.peak >= 0) & ~np.isfinite(tests.frequency)):
        own = peaks.component[qpos.peak[product]]
        named[product] = tests.component[product] in ("", *members(own))
    return np.where(np.isfinite(tests.frequency), overlap, named)


def harmonics(
    peaks: Peaks, qpos: Qpos, min_q: float, spoiled: np.ndarray | None = None
) -> Harmonics:
    """Find the narrow Lorentzians at a harmonic or sub-harmonic of each QPO.

    A peak is one where its frequency is that of the harmonic within three of its errors and a tenth.

    Parameters
    ----------
    peaks : Peaks
        Of the fitted models.
    qpos : Qpos
        The QPOs.
    min_q : float
        Least quality factor of a harmonic.
    spoiled : bool array, shape (peaks,), optional
        Peaks that are no harmonics of a QPO.
    """
    n_products = qpos.peak.size
    components: list[tuple[str, ...]] = [()] * n_products
    ratios: list[tuple[float, ...]] = [()] * n_products
    own = qpos.peak[peaks.product]  # the QPO of the product that each peak is of
    may_be = (own >= 0) & ~peaks.is_blend & (peaks.quality > min_q)
    if spoiled is not None:
        may_be &= ~spoiled
    centre, error = (pick(v, own, nan) for v in (peaks.frequency, peaks.frequency_error))
    ratio = np.array(RATIOS)
    off = np.abs(peaks.frequency[:, None] - ratio * centre[:, None])
    error = np.hypot(peaks.frequency_error[:, None], ratio * error[:, None])
    reach = np.minimum(_SIGMAS * error, _MOST * ratio * centre[:, None])
    near = may_be[:, None] & np.isfinite(error) & (off <= reach)
    found: dict[int, list[tuple[float, str, float]]] = {}
    for peak, k in zip(*np.nonzero(near), strict=True):
        name = peaks.component[peak]
        if name not in members(peaks.component[own[peak]]):
            harmonic = (peaks.frequency[peak], name, RATIOS[k])
            found.setdefault(int(peaks.product[peak]), []).append(harmonic)
    for product, harmonics_of_it in found.items():
        harmonics_of_it.sort()
        components[product] = tuple(name for _, name, _ in harmonics_of_it)
        ratios[product] = tuple(ratio for _, _, ratio in harmonics_of_it)
    return Harmonics(components, ratios)


def tests_of(
    model_product: np.ndarray,
    n_products: int,
    p_value: np.ndarray,
    component: np.ndarray,
    frequency: np.ndarray,
    fwhm: np.ndarray,
) -> PeakTests:
    """Return the test of each product: that of the first of its models with a p-value."""
    row = first_of(model_product, n_products, np.isfinite(p_value))
    return PeakTests(row, pick(component, row, ""), pick(frequency, row, nan), pick(fwhm, row, nan))
