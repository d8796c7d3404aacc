"""The frequencies of spectra, and components evaluated at them or averaged over their bins."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from pipeline.components.base import Component
from pipeline.fit.model import special
from pipeline.fit.model.special import fast_log

AnyArray = Array | np.ndarray
"""Arrays of JAX, while a function is traced, or of NumPy."""
NODES, WEIGHTS = (a.tolist() for a in np.polynomial.legendre.leggauss(5))
"""Of the quadrature over a bin, in log frequency: exact to 1e-8 for power laws over a factor of two."""
LOWEST_EDGE = 0.1
"""Lower edge of a bin over its frequency, at least: some components have no mean over a bin that begins at 0."""


class Bins(NamedTuple):
    """Bins over which components are averaged, arrays of one shape.

    Attributes
    ----------
    low, high : array
        Edges, Hz.
    log_low, log_span : array
        Logarithm of the lower edge, and that of the ratio of the edges.
    """

    low: Float[Array, "*bins"]
    high: Float[Array, "*bins"]
    log_low: Float[Array, "*bins"]
    log_span: Float[Array, "*bins"]


class Grid(NamedTuple):
    """Frequencies and their logarithms, arrays of one shape.

    Logarithms are taken once a spectrum: inside the iteration each would cost as much as a component.

    Attributes
    ----------
    frequency, log_frequency : array
        Hz, and its natural logarithm.
    width : array or None
        Widths of the bins, Hz, over which components are averaged; None: their values at the frequency.
    bins : Bins or None
        Their edges, with logarithms.
    """

    frequency: Float[Array, "*bins"]
    log_frequency: Float[Array, "*bins"]
    width: Float[Array, "*bins"] | None = None
    bins: Bins | None = None

    @classmethod
    def of(cls, frequency: ArrayLike, width: Any = None) -> "Grid":
        """Make a grid of frequencies in Hz, and of the widths of bins to average over."""
        at = jnp.asarray(frequency)
        if width is None:
            return cls(at, fast_log(at))
        half = width / 2
        low, high = jnp.maximum(at - half, LOWEST_EDGE * at), at + half
        return cls(at, fast_log(at), width, Bins(low, high, fast_log(low), fast_log(high / low)))

    def edges(self) -> tuple[Float[Array, "*bins"], Float[Array, "*bins"]]:
        """Return the lower and upper edges of the bins, Hz; the grid must have widths."""
        assert self.bins is not None
        return self.bins.low, self.bins.high


def evaluate(
    component: Component, grid: Grid, values: Sequence[Any] | AnyArray
) -> Float[Array, "..."]:
    """Return the power density of a built-in or user-written component, of the shape of the grid.

    Where the grid has widths, its mean over each bin: exact where the component knows it, else by Gauss
    and Legendre's quadrature in log frequency, which wants a component that is smooth over a bin.

    Parameters
    ----------
    component : pipeline.components.base.Component
        What to evaluate.
    grid : Grid
        Frequencies, shape (bins, lanes) or (bins, 1).
    values : sequence of array, shape (lanes,)
        Its parameters in their own units.
    """
    rows = list(values)
    if grid.width is None or component.knows_mean:
        return component.density(special, grid, rows)
    assert grid.bins is not None
    low, high, start, span = grid.bins
    total: Any = 0.0
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        at = start + (1 + node) / 2 * span
        frequency = jnp.exp(at)
        total = total + weight / 2 * frequency * component.density(
            special, Grid(frequency, at), rows
        )
    return total * span / (high - low)
