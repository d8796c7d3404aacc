"""Columns of SPECTRA of a batch of spectra, other than the bins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Shaped

from pipeline.fit.tables.derived import Products
from pipeline.fit.tables.spectra import Spectrum, usable
from pipeline.status import Flag


@dataclass(frozen=True)
class Sources:
    """Columns of SPECTRA, and flags that were found before the fit; the last axis is the spectrum.

    Attributes
    ----------
    rows : sequence of mapping
        The rows of SPECTRA themselves.
    source_id, product, norm : array of str, shape (lanes,)
        As there.
    n_bins : int array, shape (lanes,)
        Bins that are fitted.
    flags : int array, shape (lanes,)
        Flags of the spectra: of their errors, and of bins that were left out.
    products : Products
        Normalisation, calibration and all bins, from which quantities are derived.
    """

    rows: Sequence[Mapping]
    source_id: Shaped[np.ndarray, " lanes"]
    product: Shaped[np.ndarray, " lanes"]
    norm: Shaped[np.ndarray, " lanes"]
    n_bins: Int[np.ndarray, " lanes"]
    flags: Int[np.ndarray, " lanes"]
    products: Products

    @classmethod
    def of(
        cls,
        rows: Sequence[Mapping],
        spectra: Sequence[Spectrum],
        masks: Sequence[Bool[np.ndarray, " _"]],
        errors_follow: Sequence[bool],
        frequency_range: tuple[float, float] | None = None,
    ) -> "Sources":
        """Collect the columns.

        Parameters
        ----------
        rows : sequence of mapping
            Rows of SPECTRA.
        spectra : sequence of Spectrum
            Their spectra, as the table has them.
        masks : sequence of bool array
            Bins that are fitted.
        errors_follow : sequence of bool
            Whether their errors were found to follow the power.
        frequency_range : (float, float), optional
            Frequencies to fit, Hz.
        """
        flags = np.zeros(len(rows), np.int64)
        for lane, (spectrum, mask, follow) in enumerate(
            zip(spectra, masks, errors_follow, strict=True)
        ):
            if mask.any():
                good = usable(spectrum, frequency_range)
                flags[lane] = _flags_of_errors(spectrum, follow) | _flags_of_bins(good, mask)
        return cls(
            rows=rows,
            source_id=np.array([row["source_id"] for row in rows], object),
            product=np.array([row["product"] for row in rows], object),
            norm=np.array([row["norm"] for row in rows], object),
            n_bins=np.array([mask.sum() for mask in masks], int),
            flags=flags,
            products=Products.of(rows),
        )

    def take(self, lanes: Int[np.ndarray, " some"]) -> "Sources":
        """Return those of some spectra."""
        return Sources(
            rows=[self.rows[lane] for lane in lanes],
            source_id=self.source_id[lanes],
            product=self.product[lanes],
            norm=self.norm[lanes],
            n_bins=self.n_bins[lanes],
            flags=self.flags[lanes],
            products=self.products.take(lanes),
        )


def _flags_of_errors(spectrum: Spectrum, follow: bool) -> int:
    """Return the flags that say which errors a spectrum has."""
    flags = Flag.GAUSSIAN if not spectrum.n.size else Flag(0)
    return int(flags | (Flag.ERRORS_FOLLOW_POWER if follow else Flag(0)))


def _flags_of_bins(good: np.ndarray, mask: np.ndarray) -> int:
    """Return the flags of usable bins that are left out: below the first that is fitted, and above it."""
    first = int(np.argmax(mask))
    flags = Flag.HIGH_PASSED if good[:first].any() else Flag(0)
    return int(flags | (Flag.LINES_CUT if (good & ~mask)[first:].any() else Flag(0)))
