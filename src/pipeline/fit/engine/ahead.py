"""Programs that are known to be needed, made by other threads before a fit asks for them.

XLA compiles without holding the interpreter's lock, and programs that another process makes at the moment are
left for later: so two processes that need the same programs share the work.
"""

import contextlib
import logging
import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import numpy as np

from pipeline.fit.engine import programs
from pipeline.fit.engine.arrays import Tree
from pipeline.fit.engine.blocks import cores
from pipeline.fit.engine.compilation import StoredPrograms
from pipeline.fit.engine.engine import Engine
from pipeline.fit.engine.packing import Layout
from pipeline.fit.engine.problem import Problem
from pipeline.fit.engine.solve import COARSE_TOLERANCE, in_single_first
from pipeline.fit.engine.step import Limits
from pipeline.fit.engine.work import Work

log = logging.getLogger(__name__)

SAMPLE = 2
"""Lanes of data that stand for any number: arrays that all lanes share have one."""


class Foreseen(NamedTuple):
    """A program, and arguments of the shapes that it is needed for.

    Attributes
    ----------
    program : StoredPrograms
        The function.
    arguments : tuple of pytree
        Arrays, or what describes them.
    device : jax.Device
        Where they will be.
    """

    program: StoredPrograms
    arguments: tuple[Tree, ...]
    device: jax.Device


@contextlib.contextmanager
def made_ahead(foreseen: Iterable[Foreseen]) -> Iterator[None]:
    """Make programs in other threads, a thread a core, while the body runs; what it leaves undone is not begun.

    Parameters
    ----------
    foreseen : iterable of Foreseen
        In the order in which they are needed.
    """
    waiting = deque(foreseen)

    def work():
        left = 0
        while waiting:
            with contextlib.suppress(IndexError):  # another thread took the last one
                one = waiting.popleft()
                if left <= len(waiting) and one.program.made_elsewhere(one.arguments, one.device):
                    left += 1
                    waiting.append(one)
                    continue
                left = 0
                try:
                    one.program.make(one.arguments, one.device)
                except Exception as error:  # who needs it gets it
                    log.debug("a program could not be made ahead: %s", error)

    threads = [
        threading.Thread(target=work, daemon=True) for _ in range(min(cores(), len(waiting)))
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        waiting.clear()
        for thread in threads:
            thread.join()


def of_fit(engine: Engine, data: Tree) -> Iterator[Foreseen]:
    """Yield the programs that fits from several starts go through, in order; not those that few of them need.

    Parameters
    ----------
    engine : Engine
        That fits.
    data : pytree of array
        Data of `SAMPLE` lanes.
    """
    size, parts = engine.objective.size, engine.objective.parts
    row, rows = np.zeros((size, SAMPLE)), np.ones((size, SAMPLE), bool)
    work = engine.work(data, Problem(row, row, row, rows, np.ones((parts, SAMPLE), bool)))
    single = work.in_single()
    coarse = single.coarse(COARSE_TOLERANCE)
    if coarse is not None:
        yield from _to_end(coarse, scoring=True)
        yield from _program(programs.compare, single, 2)
    else:
        yield from _to_end(single, scoring=True)
    yield from _solving(work)


def _solving(work: Work) -> Iterator[Foreseen]:
    """Yield the programs of `pipeline.fit.engine.solve.solve`."""
    if in_single_first(work):
        yield from _solving(work.in_single())
        yield from _to_end(work, scoring=False)
    elif (coarse := work.coarse(COARSE_TOLERANCE)) is not None:
        yield from _to_end(coarse, scoring=True)
        yield from _program(programs.go_on_near, work, 2)
        yield from _to_end(work, scoring=False)
    else:
        yield from _to_end(work, scoring=True)


def _to_end(work: Work, scoring: bool) -> Iterator[Foreseen]:
    """Yield the programs of `pipeline.fit.engine.solve.to_end`."""
    if scoring:
        yield from _program(programs.score, work, 1)
    yield from _program(programs.chords, work.in_halves(), 1)


def _program(function: programs.Program, work: Work, states: int) -> Iterator[Foreseen]:
    """Yield a program of the engine, once a device."""
    layout = Layout(work.objective.size, work.objective.parts, work.dtype)
    program = programs.packed.of(function, work.objective, layout, states)
    declared = layout.problem() + states * layout.state()
    rows = sum(math.prod(array.shape) for array in declared)
    packed = jax.ShapeDtypeStruct((rows, work.block_size), layout.bits)
    limits = Limits(work.dtype.type(0), np.int32(0), np.int32(0))
    for data, device in zip(work.data, work.devices, strict=True):
        yield Foreseen(program, (in_block(data, work.block_size), packed, limits), device)


def in_block(data: Tree, block_size: int) -> Tree:
    """Return what describes a block of data, of which `SAMPLE` lanes are given."""

    def described(array):
        lanes = block_size if array.shape[-1] == SAMPLE else array.shape[-1]
        return jax.ShapeDtypeStruct((*array.shape[:-1], lanes), array.dtype)

    return jax.tree.map(described, data)
