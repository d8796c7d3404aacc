"""Power spectra as the data of a fit, and their coarse version."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from pipeline.fit.engine.arrays import AnyArray
from pipeline.fit.engine.blocks import on_device
from pipeline.fit.model.grid import Grid

COARSE_BINS = 64
"""Spectra of eight times as many bins are first fitted on about that many (see `rebinned`)."""
FINE_HEAD = 16
"""Bins at the low end that stay as they are: there power laws change from bin to bin."""


class Spectra(NamedTuple):
    """Spectra for the optimiser; the last axis is the lane.

    Attributes
    ----------
    power : array, shape (bins, lanes)
        Power, 1 in the padding.
    frequency, weight : array, shape (bins, lanes) or (bins, 1)
        Hz, and n or 1/sigma^2; weight 0 marks padding (with frequency 1). Arrays of one lane where all
        spectra have the same: then there is less to read.
    width : array, shape (bins, lanes) or (bins, 1), or None
        Widths of the bins, Hz, where the model is to be averaged over them (1 in the padding).
    """

    frequency: Float[AnyArray, " bins #lanes"]
    power: Float[AnyArray, "bins lanes"]
    weight: Float[AnyArray, " bins #lanes"]
    width: Float[AnyArray, " bins #lanes"] | None = None

    @property
    def grid(self) -> Grid:
        """Frequencies at which models are evaluated, and over which they are averaged."""
        return Grid.of(self.frequency, self.width)

    def each(self, function: Callable[[AnyArray], AnyArray]) -> "Spectra":
        """Return spectra whose arrays each went through a function."""
        width = None if self.width is None else function(self.width)
        return Spectra(function(self.frequency), function(self.power), function(self.weight), width)

    def take(self, lanes: Int[np.ndarray, " some"] | Sequence[int]) -> "Spectra":
        """Return the spectra of some lanes, repeated as `lanes` says."""
        every = self.power.shape[1]
        return self.each(lambda a: np.take(a, lanes, axis=1) if a.shape[1] == every else a)

    def on_device(self, dtype: np.dtype | type) -> "Spectra":
        """Return the spectra in the memory of the device, where later calls find them."""
        return on_device(self, dtype)


def is_long(spectra: Spectra) -> bool:
    """Whether it pays to begin on coarse bins."""
    return spectra.power.shape[0] >= COARSE_BINS * 8


def rebinned(spectra: Spectra, xp: ModuleType = jnp) -> Spectra:
    """Average the bins of long spectra in groups, weighted: wider groups at higher frequencies.

    The first `FINE_HEAD` bins stay, the next as many go in pairs, the next in fours, up to groups of
    bins / `COARSE_BINS`: on a linear grid this is a logarithmic one at its low end. `xp` is numpy for
    spectra on the host.
    """
    bins = spectra.power.shape[0]
    widest = 1 << (max(bins // COARSE_BINS, 1).bit_length() - 1)
    edges, width = [0], 1
    while width < widest:
        edges.append(min(FINE_HEAD * width, bins))
        width *= 2
    edges.append(bins)

    def total(values):
        parts = []
        for k in range(len(edges) - 1):
            part = values[edges[k] : edges[k + 1]]
            part = xp.pad(part, ((0, -part.shape[0] % 2**k), (0, 0)))
            parts.append(part.reshape(-1, 2**k, part.shape[1]).sum(axis=1))
        return xp.concatenate(parts)

    weight = total(spectra.weight)
    safe = xp.where(weight > 0, weight, 1)

    def mean(values):
        return xp.where(weight > 0, total(values * spectra.weight) / safe, 1)

    wide = None if spectra.width is None else xp.where(weight > 0, total(spectra.width), 1)
    return Spectra(mean(spectra.frequency), mean(spectra.power), weight, wide)
