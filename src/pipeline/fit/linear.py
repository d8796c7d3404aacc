"""Small symmetric systems, one a lane, without LAPACK.

Batched LAPACK calls inside a compiled loop deadlock jaxlib's CPU back end on two cores, and are slow
for matrices this small. Matrices have shape (P, P, lanes).
"""

import jax
import jax.numpy as jnp

UNROLL = 8
"""Up to this size factorisations are written out; above, a loop keeps compilation short."""


def solve(matrix, vector):
    """Solve matrix x = vector for symmetric, positive definite matrices.

    Parameters
    ----------
    matrix : array, shape (P, P, lanes)
        Symmetric.
    vector : array, shape (P, lanes)
        Right-hand sides.

    Returns
    -------
    x : array, shape (P, lanes)
        Solutions; meaningless in lanes where a pivot was not positive.
    pivot : array, shape (lanes,)
        The smallest pivot.
    """
    x, pivot = _eliminate(matrix, vector[:, None])
    return x[:, 0], pivot


def inverse(matrix):
    """Invert symmetric, positive definite matrices; return the inverses and the smallest pivots."""
    size, _, lanes = matrix.shape
    identity = jnp.broadcast_to(jnp.eye(size, dtype=matrix.dtype)[:, :, None], (size, size, lanes))
    return _eliminate(matrix, identity)


def _eliminate(matrix, right):
    """Gauss-Jordan elimination without exchanges, which a positive definite matrix does not need."""
    size = matrix.shape[0]
    table = jnp.concatenate([matrix, right], axis=1)
    tiny = jnp.finfo(matrix.dtype).tiny

    def step(k, state):
        table, smallest = state
        pivot = table[k, k]
        row = table[k] / jnp.where(jnp.abs(pivot) > tiny, pivot, 1.0)
        factor = table[:, k].at[k].set(0.0)
        table = (table - factor[:, None] * row[None]).at[k].set(row)
        return table, jnp.minimum(smallest, pivot)

    state = table, jnp.full(matrix.shape[2:], jnp.inf, matrix.dtype)
    if size <= UNROLL:
        for k in range(size):
            state = step(k, state)
    else:
        state = jax.lax.fori_loop(0, size, step, state)
    table, smallest = state
    return table[:, size:], smallest
