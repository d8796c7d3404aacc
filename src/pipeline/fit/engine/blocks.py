"""Blocks of lanes: programs of one compiled shape get them, on every core or device at once."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import lru_cache
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from pipeline.fit.engine.arrays import AnyArray, Tree
from pipeline.fit.engine.compilation import stored
from pipeline.fit.engine.devices import devices_of

Item = TypeVar("Item")
Result = TypeVar("Result")


def on_device(data: Tree, dtype: np.dtype | type, device: jax.Device | None = None) -> Tree:
    """Return data in the memory of a device, where later calls find them.

    Floating-point arrays become of one type; the others stay as they are.
    """

    def place(array):
        wanted = dtype if jnp.issubdtype(array.dtype, jnp.floating) else array.dtype
        if isinstance(array, jax.Array) and array.dtype == wanted:
            return array
        if isinstance(array, jax.Array) and next(iter(array.devices())).platform != "cpu":
            return array.astype(wanted)
        return jax.device_put(np.asarray(array, wanted))  # without a program, unlike jnp.asarray

    placed = jax.tree.map(place, data)
    return placed if device is None else jax.device_put(placed, device)


def block_of(arrays: Tree, lanes: np.ndarray) -> Tree:
    """Return some lanes of arrays on a device; a slice where they follow each other.

    An array of one lane, where others have many, is shared by all lanes and returned as it is.
    """
    leaves, tree = jax.tree.flatten(arrays)
    every = lanes_of(leaves)
    own = [k for k, leaf in enumerate(leaves) if leaf.shape[-1] == every]
    for k, part in zip(own, _take_lanes([leaves[k] for k in own], lanes), strict=True):
        leaves[k] = part
    return jax.tree.unflatten(tree, leaves)


def lanes_of(leaves: Sequence) -> int:
    """Return the number of lanes of arrays, some of which may be shared by all lanes."""
    return max(leaf.shape[-1] for leaf in leaves)


def slice_of(lanes: np.ndarray) -> slice | np.ndarray:
    """Return a slice in place of lanes that follow each other, else the lanes."""
    if lanes[-1] - lanes[0] + 1 == lanes.size and (np.diff(lanes) == 1).all():
        return slice(int(lanes[0]), int(lanes[-1]) + 1)
    return lanes


def _take_lanes(arrays, lanes):
    """Return some lanes of a list of arrays that all have the same number of lanes."""
    part = slice_of(lanes)
    (device,) = arrays[0].devices()
    if device.platform == "cpu":
        # nothing to compile: the programs below are compiled anew for each number of lanes in the arrays
        return jax.device_put([np.asarray(a)[..., part] for a in arrays], device)
    if isinstance(part, slice):
        return _slice.of(lanes.size)(arrays, np.int32(lanes[0]))
    return _take(arrays, np.asarray(lanes, np.int32))


@stored(static=1)
def _slice(size: int, arrays: Sequence[AnyArray], first: AnyArray) -> list[AnyArray]:
    return [jax.lax.dynamic_slice_in_dim(a, first, size, a.ndim - 1) for a in arrays]


@stored()
def _take(arrays: Sequence[AnyArray], lanes: AnyArray) -> list[AnyArray]:
    return [jnp.take(a, lanes, axis=-1, mode="clip") for a in arrays]


def cores() -> int:
    """Return the number of cores that blocks may run on: that of XLA's own threads, if NPROC states it.

    XLA shares its threads between all programs: with one, two blocks side by side would run on it in turn.
    """
    here = len(os.sched_getaffinity(0))
    stated = os.environ.get("NPROC", "")
    return min(here, int(stated)) if stated.isdecimal() and int(stated) else here


def on_cores(
    function: Callable[[Item], Result], items: Sequence[Item], devices: Sequence[jax.Device]
) -> list[Result]:
    """Call a function on each item and return the results in order, on every core or device at once.

    A block has no parallelism inside that would be worth its threads: on CPUs blocks run side by side, a
    thread a core; on GPUs a thread feeds each device. Calls may be nested: the caller works on its own items, and
    the threads that help are shared by all calls, so no more threads run than there are cores or devices.
    """
    workers = len(devices)
    if devices[0].platform == "cpu":
        workers = max(workers, cores())
    if min(workers, len(items)) <= 1:
        return [function(item) for item in items]
    results: dict[int, Result] = {}
    waiting = deque(enumerate(items))

    def work():
        """Take one item after another until none is left."""
        while waiting:
            try:
                number, item = waiting.popleft()
            except IndexError:  # another thread took the last one
                return
            try:
                results[number] = function(item)
            except BaseException:
                waiting.clear()  # nobody takes another item
                raise

    helpers = _helpers(workers - 1)
    helping: list[Future] = [helpers.submit(work) for _ in range(min(workers, len(items)) - 1)]
    try:
        work()
    finally:
        # a thread that is busy with another call has not begun here: there is nothing left for it
        begun = [future for future in helping if not future.cancel()]
        wait(begun)
    for future in begun:
        future.result()
    return [results[number] for number in range(len(items))]


@lru_cache(4)
def _helpers(count):
    return ThreadPoolExecutor(count, thread_name_prefix="block")


def in_blocks(function: Callable, arrays: Sequence[Tree], block_size: int) -> list[np.ndarray]:
    """Call a compiled function on blocks of lanes of one shape, side by side, and join the results.

    Parameters
    ----------
    function : callable
        Takes the arrays of a block, in order, and returns several arrays; the last axis of each is the lane.
    arrays : sequence of array or of pytree
        All with the same number of lanes, or with one that the others share.
    block_size : int
        Lanes at a time.
    """
    devices = devices_of()
    # committed to a device, as what `block_of` takes on the host is: or there are two programs
    arrays = jax.device_put(arrays, devices[0])
    lanes = lanes_of(jax.tree.leaves(arrays))
    blocks = [
        np.arange(start, min(start + block_size, lanes)) for start in range(0, lanes, block_size)
    ]

    def run(block):
        arguments = block_of(arrays, np.resize(block, block_size))
        results = jax.block_until_ready(function(*arguments))
        return [np.asarray(r)[..., : block.size] for r in results]

    parts = on_cores(run, blocks, devices)
    return [np.concatenate(p, axis=-1) for p in zip(*parts, strict=True)]
