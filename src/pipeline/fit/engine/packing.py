"""Many small arrays of the same lanes as one array of integers: handing over an array costs 30 us, however small.

Floating-point numbers go as their bits, so that integers and masks may lie beside them and nothing is rounded.
The integers are as wide as the floating-point type of the problem.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from pipeline.fit.engine.problem import Problem
from pipeline.fit.engine.state import State


class Declared(NamedTuple):
    """Shape of an array without its last axis, the lane, and its type."""

    shape: tuple[int, ...]
    dtype: np.dtype


class Layout(NamedTuple):
    """What is packed for a program: a problem and one or two states, in this order."""

    size: int
    parts: int
    dtype: np.dtype

    @property
    def bits(self) -> np.dtype:
        """Type of the packed array."""
        return np.dtype(f"int{8 * self.dtype.itemsize}")

    def problem(self) -> list[Declared]:
        """Return the declarations of the arrays of a `Problem`."""
        row, mask = Declared((self.size,), self.dtype), np.dtype(bool)
        return [row, row, row, Declared((self.size,), mask), Declared((self.parts,), mask)]

    def state(self) -> list[Declared]:
        """Return the declarations of the arrays of a `State`."""
        number, row = Declared((), self.dtype), Declared((self.size,), self.dtype)
        matrix = Declared((self.size, self.size), self.dtype)
        count = Declared((), np.dtype(np.int32))
        return [row, number, row, matrix, number, row, number, count, count]


def pack(
    layout: Layout, problem: Problem, *states: list[np.ndarray]
) -> Int[np.ndarray, "rows lanes"]:
    """Stack the arrays of a problem and those of states, on the host, shape (rows, lanes)."""
    arrays = [*problem, *(array for state in states for array in state)]
    rows = [
        a.view(layout.bits) if a.dtype == layout.dtype else a.astype(layout.bits) for a in arrays
    ]
    return np.concatenate([a.reshape(-1, a.shape[-1]) for a in rows])


def unpack(
    layout: Layout, packed: Int[Array, "rows lanes"], count: int
) -> tuple[Problem, list[State]]:
    """Return, in a program, the problem and the number of states that `pack` stacked."""
    declared = [*layout.problem(), *(array for _ in range(count) for array in layout.state())]
    arrays: list[Any] = [
        jax.lax.bitcast_convert_type(rows, kind) if kind == layout.dtype else rows.astype(kind)
        for rows, kind in _split(packed, declared)
    ]
    fields, each = len(Problem._fields), len(State._fields)
    starts = range(fields, len(arrays), each)
    return Problem(*arrays[:fields]), [State(*arrays[k : k + each]) for k in starts]


def pack_result(layout: Layout, state: State) -> Int[Array, "rows lanes"]:
    """Stack the arrays of a state, in a program, shape (rows, lanes)."""
    rows = [
        jax.lax.bitcast_convert_type(a, layout.bits)
        if a.dtype == layout.dtype
        else a.astype(layout.bits)
        for a in state
    ]
    return jnp.concatenate([a.reshape(-1, a.shape[-1]) for a in rows])


def unpack_result(layout: Layout, packed: Int[np.ndarray, "rows lanes"]) -> list[np.ndarray]:
    """Return, on the host, the arrays of the state that `pack_result` stacked."""
    return [
        rows.view(kind) if kind == layout.dtype else rows.astype(kind)
        for rows, kind in _split(packed, layout.state())
    ]


def _split(packed, declared):
    """Yield the rows of each declared array in its shape, and its type."""
    row = 0
    for shape, kind in declared:
        count = math.prod(shape)
        yield packed[row : row + count].reshape(*shape, packed.shape[-1]), kind
        row += count
