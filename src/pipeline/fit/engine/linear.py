"""Small symmetric systems, one a lane, without LAPACK.

Batched LAPACK calls inside a compiled loop deadlock jaxlib's CPU back end on two cores, and are slow
for matrices this small. Matrices have shape (P, P, lanes).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pipeline.fit.engine.arrays import AnyArray

UNROLL = 8
"""Up to this size loops are written out; above, they stay loops, which keeps compilation short."""


class Factors(NamedTuple):
    """A matrix as L D L^T, with L lower triangular of unit diagonal and D diagonal.

    Attributes
    ----------
    columns : array, shape (P, P, lanes)
        Column k of L at [k], zero down to its diagonal.
    diagonal : array, shape (P, lanes)
        D, 1 where the pivot vanishes.
    pivot : array, shape (lanes,)
        The smallest pivot: positive where the matrix is positive definite.
    """

    columns: Float[Array, "P P lanes"]
    diagonal: Float[Array, "P lanes"]
    pivot: Float[Array, " lanes"]


class Inverse(NamedTuple):
    """Inverse matrices, and the smallest pivots: positive where the matrix is positive definite."""

    matrix: Float[Array, "P P lanes"]
    pivot: Float[Array, " lanes"]


def factor(matrix: Float[AnyArray, "P P lanes"]) -> Factors:
    """Factorise symmetric matrices without exchanges, which positive definite ones do not need."""
    size, _, lanes = matrix.shape
    tiny, rows = jnp.finfo(matrix.dtype).tiny, jnp.arange(size)[:, None]

    def step(k, state):
        rest, columns, diagonal, smallest = state
        row, pivot = rest[k], rest[k, k]
        safe = jnp.where(jnp.abs(pivot) > tiny, pivot, 1.0)
        column = jnp.where(rows > k, row / safe, 0.0)  # what is left is symmetric
        return (
            rest - column[:, None] * row[None],
            columns.at[k].set(column),
            diagonal.at[k].set(safe),
            jnp.minimum(smallest, pivot),
        )

    state = (
        matrix,
        jnp.zeros_like(matrix),
        jnp.zeros((size, lanes), matrix.dtype),
        jnp.full(lanes, jnp.inf, matrix.dtype),
    )
    return Factors(*_loop(size, step, state)[1:])


def solve(
    factors: Factors, right: Float[AnyArray, "P *columns lanes"]
) -> Float[Array, "P *columns lanes"]:
    """Solve for right-hand sides of shape (P, lanes) or (P, columns, lanes), as many at once.

    The solutions are meaningless in lanes where a pivot was not positive.
    """
    columns, diagonal, _ = factors
    size = diagonal.shape[0]
    if right.ndim == 3:
        columns, diagonal = columns[:, :, None], diagonal[:, None]

    def down(k, x):
        return x - columns[k] * x[k][None]

    def up(k, x):
        k = size - 1 - k
        return x.at[k].add(-jnp.sum(columns[k] * x, axis=0))

    return _loop(size, up, _loop(size, down, right) / diagonal)


def inverse(matrix: Float[AnyArray, "P P lanes"]) -> Inverse:
    """Invert symmetric, positive definite matrices."""
    size = matrix.shape[0]
    factors = factor(matrix)
    identity = jnp.broadcast_to(jnp.eye(size, dtype=matrix.dtype)[:, :, None], matrix.shape)
    return Inverse(solve(factors, identity), factors.pivot)


def _loop(size, step, state):
    """Call step(k, state) for each k below the size."""
    if size > UNROLL:
        return jax.lax.fori_loop(0, size, step, state)
    for k in range(size):
        state = step(k, state)
    return state
