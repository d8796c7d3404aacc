"""The work of a fit: its data on every device and its problems, sent through programs block by block."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import jax
import numpy as np
from jaxtyping import Float, Int

from pipeline.fit.engine.arrays import Tree
from pipeline.fit.engine.blocks import block_of, on_cores, slice_of
from pipeline.fit.engine.compilation import stored
from pipeline.fit.engine.objective import Objective
from pipeline.fit.engine.packing import Layout, pack, unpack_result
from pipeline.fit.engine.problem import Problem
from pipeline.fit.engine.programs import Program, packed
from pipeline.fit.engine.state import Progress
from pipeline.fit.engine.step import Limits

HALFWAY_TOLERANCE = 1e-5
"""Least tolerance in single precision where double follows: the gradient is known better than the value."""


@dataclass(frozen=True)
class Work:
    """What the lanes of a fit have in common.

    Attributes
    ----------
    objective : Objective
        What is fitted.
    data : list of pytree
        The data, once a device.
    which : int array, shape (lanes,)
        Number of the data of each lane.
    problem : Problem
        Starts, bounds and masks, on the host, all of one floating-point type.
    tolerance, block_size, devices
        Of `pipeline.fit.engine.engine.Engine`.
    """

    objective: Objective
    data: list[Tree]
    which: Int[np.ndarray, " lanes"]
    problem: Problem
    tolerance: float
    block_size: int
    devices: Sequence[jax.Device]

    @property
    def dtype(self) -> np.dtype:
        """Floating-point type."""
        return self.problem.u.dtype

    @property
    def rows(self) -> int:
        """Numbers that a lane has in its longest array."""
        return max(leaf.size // leaf.shape[-1] for leaf in jax.tree.leaves(self.data[0]))

    @property
    def start(self) -> Float[np.ndarray, "P lanes"]:
        """Starts of the lanes within their bounds."""
        return np.clip(self.problem.u, self.problem.lower, self.problem.upper)

    def in_halves(self) -> "Work":
        """Return the work in blocks of half the size."""
        return replace(self, block_size=max(self.block_size // 2, 1))

    def loosely(self, tolerance: float) -> "Work":
        """Return the work with another tolerance."""
        return replace(self, tolerance=tolerance)

    def in_single(self) -> "Work":
        """Return the work in single precision, where the objective may be computed in it."""
        if not self.objective.single:
            return self
        single = np.dtype(np.float32)
        u, lower, upper = (a.astype(single) for a in self.problem[:3])
        return replace(
            self,
            data=[_in_single(data) for data in self.data],
            problem=self.problem._replace(u=u, lower=lower, upper=upper),
            tolerance=max(self.tolerance, HALFWAY_TOLERANCE),
        )

    def coarse(self, tolerance: float) -> "Work | None":
        """Return the work on the coarse version of the data, in larger blocks; None where there is none."""
        data = [self.objective.coarse(part) for part in self.data]
        if data[0] is None:
            return None
        coarse = replace(self, data=data).in_single()
        smaller = self.rows // coarse.rows
        block_size = self.block_size * max(smaller // 2, 1)
        return replace(coarse, tolerance=tolerance, block_size=block_size)


def _in_single(data):
    """Return data in single precision, on the device where they are."""
    (device,) = jax.tree.leaves(data)[0].devices()
    if device.platform != "cpu":
        return _cast(data)
    # nothing to compile: `_cast` is compiled anew for each number of lanes
    return jax.device_put(jax.tree.map(lambda a: _as_single(np.asarray(a)), data), device)


def _as_single(array):
    """Return an array in single precision, if it has floating-point numbers."""
    return array.astype(np.float32) if np.issubdtype(array.dtype, np.floating) else array


@stored()
def _cast(data: Tree) -> Tree:
    """Return data in single precision."""
    return jax.tree.map(_as_single, data)


def advance(
    function: Program,
    work: Work,
    allowed: int,
    lanes: Int[np.ndarray, " some"],
    progress: Progress,
    near: Progress | None = None,
) -> None:
    """Send some lanes through a program, block by block, and update their progress in place.

    A block stops when half of its lanes have. The rest is gathered into new blocks by the next call:
    few slow lanes do not hold the others. The last block runs to its end.

    Parameters
    ----------
    function : Program
        One of `pipeline.fit.engine.programs`.
    work : Work
        Data and problems.
    allowed : int
        Iterations a lane may use.
    lanes : int array
        Numbers of the lanes that run.
    progress : Progress
        All lanes; those that run are updated.
    near : Progress, optional
        All lanes in another state, where the program starts from two.
    """
    size, devices = work.block_size, work.devices
    blocks = [lanes[i : i + size] for i in range(0, lanes.size, size)]
    states = [progress] if near is None else [progress, near]
    layout = Layout(work.objective.size, work.objective.parts, work.dtype)
    program = packed.of(function, work.objective, layout, len(states))
    least = np.int32(size // 2 if len(blocks) > 1 else 0)
    limits = Limits(work.dtype.type(work.tolerance), np.int32(allowed), least)
    lanes_of_all = pack(layout, work.problem, *(state.arrays for state in states))

    def run(numbered):
        number, block = numbered
        filled = np.resize(block, size)  # a short block holds its own lanes again
        device = number % len(devices)
        data = block_of(work.data[device], work.which[filled])
        small = jax.device_put(lanes_of_all[:, slice_of(filled)], devices[device])
        # unlike np.asarray, block_until_ready lets the other threads work while it waits
        return jax.block_until_ready(program(data, small, limits))

    results = on_cores(run, list(enumerate(blocks)), devices)
    for block, result in zip(blocks, results, strict=True):
        progress.put(block, unpack_result(layout, np.asarray(result)[:, : block.size]))
