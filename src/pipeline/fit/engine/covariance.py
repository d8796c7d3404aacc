"""Errors from the curvature of the likelihood at the best fit, and from the scatter of its scores."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from pipeline.fit.engine import linear
from pipeline.fit.engine.ahead import Foreseen, in_block
from pipeline.fit.engine.arrays import AnyArray, Tree
from pipeline.fit.engine.blocks import in_blocks, on_device
from pipeline.fit.engine.compilation import stored
from pipeline.fit.engine.objective import Kind, Objective

LEAST_INFORMATION = 1e-4
"""Information of a parameter below which the data say nothing of it: an error of 100 in a logarithm."""
FLAT = 1e-9
"""Eigenvalue of the information, scaled to a unit diagonal, below which a direction is flat."""
NOT_MOVED = 1e-3
"""Squared part of a flat direction below which it does not move a parameter."""


class Covariance(NamedTuple):
    """Covariances of the fitted variables; the last axis is the lane.

    Attributes
    ----------
    matrix : array, shape (P, P, lanes)
        Covariance; zero in rows of parameters that did not move.
    sound : bool array, shape (lanes,)
        Whether it exists: the information is positive definite.
    """

    matrix: Float[np.ndarray, "P P lanes"]
    sound: Bool[np.ndarray, " lanes"]


def _inverse(matrix, moved):
    """Invert the rows and columns that moved, scaled to a unit diagonal; the others become zero."""
    size = matrix.shape[0]
    both = moved[:, None] & moved[None]
    eye = jnp.eye(size, dtype=bool)[:, :, None]
    kept = jnp.where(both, matrix, jnp.where(eye, 1.0, 0.0))
    diagonal = jnp.einsum("iil->il", kept)
    scale = jnp.sqrt(jnp.where(diagonal > 0, diagonal, 1.0))
    outer = scale[:, None] * scale[None]
    inverse, pivot = linear.inverse(kept / outer)
    limit = 100 * jnp.finfo(matrix.dtype).eps
    sound = jnp.all(diagonal > 0, axis=0) & (pivot > limit) & jnp.all(jnp.isfinite(inverse), (0, 1))
    return jnp.where(both, inverse / outer, 0.0), sound


def foreseen(
    objective: Objective,
    data: Tree,
    dtype: np.dtype,
    kind: str,
    device: jax.Device,
    block_size: int = 64,
) -> Foreseen:
    """Return the program of `covariance` for data of `pipeline.fit.engine.ahead.SAMPLE` lanes."""
    rows = jax.ShapeDtypeStruct((objective.size, block_size), dtype)
    moved = jax.ShapeDtypeStruct(rows.shape, bool)
    active = jax.ShapeDtypeStruct((objective.parts, block_size), bool)
    arguments = in_block(on_device(data, dtype), block_size), active, rows, moved
    return Foreseen(_covariance.of(kind, objective), arguments, device)


@stored(static=2)
def _covariance(kind, objective, data, active, u, moved):
    """Compute one kind of covariance of a block, whether it exists, and the information that it is the inverse of."""
    here = objective.prepared(data), active, u
    first: Kind = "fisher" if kind == "fisher" else "observed"
    information = objective.information(first, *here)
    bread, sound = _inverse(information, moved)
    if kind != "sandwich":
        return bread, sound, information
    scores = objective.information("scores", *here)
    left = jnp.sum(bread[:, :, None] * scores[None], axis=1)
    matrix = jnp.sum(left[:, :, None] * bread[None], axis=1)
    return matrix, sound & jnp.all(jnp.isfinite(matrix), (0, 1)), information


@stored(static=1)
def _expected_diagonal(objective, data, active, u):
    """Diagonal of the Fisher information, as the one result of a block."""
    matrix = objective.information("fisher", objective.prepared(data), active, u)
    return (jnp.einsum("iil->il", matrix),)


def expected_diagonal(
    objective: Objective,
    data: Tree,
    active: Bool[AnyArray, "parts lanes"],
    u: Float[AnyArray, "P lanes"],
    block_size: int = 64,
) -> Float[np.ndarray, "P lanes"]:
    """Return the diagonal of the Fisher information, shape (P, lanes): see `covariance`."""
    function = _expected_diagonal.of(objective)
    return in_blocks(function, (on_device(data, u.dtype), active, u), block_size)[0]


def covariance(
    objective: Objective,
    data: Tree,
    active: Bool[AnyArray, "parts lanes"],
    u: Float[AnyArray, "P lanes"],
    moved: Bool[AnyArray, "P lanes"],
    block_size: int = 64,
    kind: str = "observed",
) -> Covariance:
    """Return the covariance of every lane, computed a block at a time.

    Parameters
    ----------
    objective : Objective
        What was fitted.
    data : pytree of array
        The data as the objective takes them.
    active : bool array, shape (parts, lanes)
        Which parts of the model exist.
    u : array, shape (P, lanes)
        Best fit.
    moved : bool array, shape (P, lanes)
        Free parameters that are not at a bound; the others get no error.
    block_size : int, optional
        Lanes at a time.
    kind : {"observed", "fisher", "sandwich"}, optional
        ``observed``: inverse of the second derivatives at the best fit (Efron & Hinkley 1978,
        Biometrika 65, 457, on why rather than the expected ones). ``fisher``: inverse of the
        expected information, for the gamma likelihood sum n l_i l_j. ``sandwich``:
        J^-1 K J^-1 with J the observed information and K the outer product of the bins' scores
        (Huber 1967, Proc. 5th Berkeley Symp. 1, 221; White 1982, Econometrica 50, 1), which holds
        where n or the shape of the distribution is wrong, if bins are independent and the model's
        mean is right. It wants many bins a parameter: with few it is too small.
    """
    function = _covariance.of(kind, objective)
    arrays = on_device(data, u.dtype), active, u, moved
    return Covariance(*in_blocks(function, arrays, block_size)[:2])


def of_the_determined(
    objective: Objective,
    data: Tree,
    active: Bool[AnyArray, "parts lanes"],
    u: Float[AnyArray, "P lanes"],
    moved: Bool[AnyArray, "P lanes"],
    block_size: int = 64,
) -> Covariance:
    """Return the covariance of the parameters that the data determine, where they do not determine all.

    Two flat components of a model, or a component that adds nothing, leave directions in which the likelihood does
    not change. Parameters that such a direction moves have no error; those of the others follow from the
    pseudo-inverse of the observed information (Barrett & Gray 1994, J. Comp. Graph. Stat. 3, 1, on estimable functions).

    Parameters
    ----------
    objective, data, active, u, moved, block_size
        See `covariance`.

    Returns
    -------
    Covariance
        Zero in rows of parameters that are not determined; not `sound` where none is, or where the
        likelihood is no maximum.
    """
    arrays = on_device(data, u.dtype), active, u, moved
    matrix = in_blocks(_covariance.of("observed", objective), arrays, block_size)[2]
    found = [_determined(matrix[:, :, k], moved[:, k]) for k in range(u.shape[1])]
    return Covariance(
        np.stack([f[0] for f in found], axis=-1), np.array([f[1] for f in found], bool)
    )


def _determined(matrix, moved):
    """Pseudo-inverse of one information matrix where it is determined, and whether there is one."""
    size = matrix.shape[0]
    diagonal = np.diag(matrix)
    out, place = np.zeros((size, size)), np.flatnonzero(moved & (diagonal > LEAST_INFORMATION))
    lost = moved & ~(diagonal > LEAST_INFORMATION)
    if (
        not place.size
        or not np.isfinite(matrix).all()
        or (diagonal[lost] < -LEAST_INFORMATION).any()
    ):
        return out, False
    scale = np.sqrt(diagonal[place])
    values, vectors = np.linalg.eigh(matrix[np.ix_(place, place)] / np.outer(scale, scale))
    flat = values < FLAT
    if (values < -FLAT).any() or flat.all():
        return out, False
    loads = (vectors[:, flat] ** 2).sum(axis=1)
    inverse = (vectors[:, ~flat] / values[~flat]) @ vectors[:, ~flat].T / np.outer(scale, scale)
    kept = loads < NOT_MOVED
    out[np.ix_(place[kept], place[kept])] = inverse[np.ix_(kept, kept)]
    return out, bool(kept.any())


def interval(
    u: Float[np.ndarray, "P lanes"],
    sigma: Float[np.ndarray, "P lanes"],
    is_log: Bool[np.ndarray, " P"],
) -> tuple[Float[np.ndarray, "P lanes"], Float[np.ndarray, "P lanes"]]:
    """Return the distances from the value to the ends of its 68.3 % interval.

    Parameters
    ----------
    u, sigma : array, shape (P, lanes)
        Fitted variables and their standard errors.
    is_log : bool array, shape (P,)
        Rows that are logarithms: their interval is symmetric in the logarithm.

    Returns
    -------
    lower, upper : array, shape (P, lanes)
        Errors of the parameters themselves, both positive.
    """
    log = is_log[:, None]
    value = np.where(log, np.exp(np.where(log, u, 0.0)), 1.0)
    lower = np.where(log, -value * np.expm1(-sigma), sigma)
    upper = np.where(log, value * np.expm1(np.minimum(sigma, 700.0)), sigma)
    return lower, upper
