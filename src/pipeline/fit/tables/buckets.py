"""Spectra of any length into padded blocks of a few lengths, lane last."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.fit.model.padding import padded_length
from pipeline.fit.objectives.spectra import Spectra
from pipeline.fit.tables.spectra import MIN_BINS, Spectrum, likelihood_of, weights

FEW, FEW_FROM, FEW_TO = 512, (128, 256), 384
"""Up to so many spectra of one length go to a longer one: fitting their padding takes less time than loading the
programs of one more length, and much less than compiling them. What is searched for in a spectrum does not depend on
its padding between these lengths."""
ALIKE = 1.2
"""Widths of bins within this factor are those of single ordinates, rounded."""


@dataclass(frozen=True)
class Bucket:
    """Spectra padded to one length with one likelihood.

    Attributes
    ----------
    likelihood : str
        The likelihood of all of them, see `pipeline.fit.model.likelihood.terms`.
    spectra : Spectra
        Arrays of shape (bins, lanes).
    widths : array, shape (bins, lanes)
        Widths of the bins, Hz.
    lanes : int array, shape (lanes,)
        Number of each spectrum among those that were given.
    """

    likelihood: str
    spectra: Spectra
    widths: Float[np.ndarray, "bins lanes"]
    lanes: Int[np.ndarray, " lanes"]


def in_buckets(
    spectra: Sequence[Spectrum],
    masks: Sequence[Bool[np.ndarray, " _"]],
    batch_size: int,
    *,
    average: bool | str = False,
) -> list[Bucket]:
    """Sort spectra into buckets of one length and likelihood, at most `batch_size` in each.

    Parameters
    ----------
    spectra : sequence of Spectrum
        The spectra.
    masks : sequence of bool array
        Their usable bins; a spectrum with fewer than `MIN_BINS` is left out.
    batch_size : int
        Most lanes in a bucket.
    average : bool or "auto", optional
        Whether models are to be averaged over the bins; ``auto``: where `averages` says so.
    """
    groups: dict[tuple[str, int, bool], list[int]] = {}
    for lane, (spectrum, mask) in enumerate(zip(spectra, masks, strict=True)):
        bins = int(mask.sum())
        if bins >= MIN_BINS:
            over_bins = averages(spectrum, mask) if average == "auto" else bool(average)
            key = likelihood_of(spectrum), padded_length(bins), over_bins
            groups.setdefault(key, []).append(lane)
    for likelihood, length, over_bins in list(groups):
        few = len(groups[likelihood, length, over_bins]) <= FEW
        if length in FEW_FROM and few:
            moved = groups.pop((likelihood, length, over_bins))
            there = groups.get((likelihood, FEW_TO, over_bins), [])
            groups[likelihood, FEW_TO, over_bins] = sorted([*there, *moved])
    out = []
    for (likelihood, length, over_bins), lanes in sorted(groups.items()):
        for start in range(0, len(lanes), batch_size):
            part = np.array(lanes[start : start + batch_size])
            own = [(spectra[lane], masks[lane]) for lane in part]
            out.append(_fill(likelihood, length, part, own, over_bins))
    return out


def averages(spectrum: Spectrum, mask: Bool[np.ndarray, " bins"]) -> bool:
    """Return whether a model is to be averaged over the bins of a spectrum.

    It is where bins differ in width by more than `ALIKE`: the wide ones are averages of several
    ordinates, and a peak between the centres of two of them would not be seen.

    Parameters
    ----------
    spectrum : Spectrum
        The spectrum.
    mask : bool array, shape (bins,)
        Usable bins, one at least.
    """
    widths = spectrum.width[mask]
    return bool(spectrum.widths_known and widths.max() > ALIKE * widths.min())


def _fill(likelihood, length, lanes, own, average) -> Bucket:
    """Pad with weight 0; frequency, power and width 1 keep logarithms finite."""
    frequency, power, widths = (np.ones((length, lanes.size)) for _ in range(3))
    weight = np.zeros((length, lanes.size))
    for k, (spectrum, mask) in enumerate(own):
        bins = int(mask.sum())
        frequency[:bins, k] = spectrum.frequency[mask]
        power[:bins, k] = spectrum.power[mask]
        weight[:bins, k] = weights(spectrum)[mask]
        widths[:bins, k] = spectrum.width[mask]
    spectra = Spectra(frequency, power, weight, widths if average else None)
    return Bucket(likelihood, spectra, widths, lanes)
