"""The bins of a power spectrum that are kept: inside the configured frequencies, and no more than allowed."""

import numpy as np

from pipeline.config.segment import SegmentOptions
from pipeline.refusal import Refusal
from pipeline.segment.products.power_spectra import coarsen
from pipeline.segment.spectrum.rebin import Spectrum
from pipeline.status import Flag, Status


def inside(frequency: np.ndarray, options: SegmentOptions) -> np.ndarray:
    """Return which frequencies lie within `segment.frequency_range` and outside `segment.mask`."""
    kept = np.ones(len(frequency), bool)
    if options.frequency_range is not None:
        lo, hi = options.frequency_range
        kept = (frequency >= lo) & (frequency <= hi)
    for lo, hi in options.mask:
        kept &= ~((frequency >= lo) & (frequency <= hi))
    return kept


def limited(spectrum: Spectrum, options: SegmentOptions) -> tuple[Spectrum, Flag]:
    """Return the bins that have a likelihood, at most `segment.max_frequencies`, and a flag if that changed them.

    Raises
    ------
    Refusal
        Where there is none.
    """
    if len(spectrum.n):
        spectrum = spectrum.keep(spectrum.power > 0)
    if not len(spectrum.power):
        wanted = options.frequency_range
        at = ""
        if wanted:
            at = f" between {wanted[0]:g} and {wanted[1]:g} Hz (segment.frequency_range)"
        raise Refusal(Status.BAD_SPECTRUM, f"no bin with a positive power and error{at}")
    less = coarsen.coarsen(spectrum, options.max_frequencies)
    return less, Flag(0) if less is spectrum else Flag.COARSENED
