"""Blocks of lanes: what programs of one compiled shape are given, on every core or device at once."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from pipeline.fit.engine.devices import devices_of


def on_device(data, dtype, device=None):
    """Return data in the memory of a device, where later calls find them, their floating-point arrays of one type."""

    def place(array):
        floating = jnp.issubdtype(array.dtype, jnp.floating)
        return jnp.asarray(array, dtype if floating else array.dtype)

    placed = jax.tree.map(place, data)
    return placed if device is None else jax.device_put(placed, device)


def block_of(arrays, lanes):
    """Return some lanes of arrays on a device; a slice where they follow each other.

    Arrays of one lane among others of many are what all lanes share, and are returned as they are.
    """
    leaves, tree = jax.tree.flatten(arrays)
    every = _lanes_of(leaves)
    own = [k for k, leaf in enumerate(leaves) if leaf.shape[-1] == every]
    for k, part in zip(own, _take_lanes([leaves[k] for k in own], lanes), strict=True):
        leaves[k] = part
    return jax.tree.unflatten(tree, leaves)


def _lanes_of(leaves) -> int:
    """Number of lanes of arrays of which some may be shared by all lanes."""
    return max(leaf.shape[-1] for leaf in leaves)


def slice_of(lanes):
    """Return a slice in place of lanes that follow each other, else the lanes."""
    if lanes[-1] - lanes[0] + 1 == lanes.size and (np.diff(lanes) == 1).all():
        return slice(int(lanes[0]), int(lanes[-1]) + 1)
    return lanes


def _take_lanes(arrays, lanes):
    """Return some lanes of a list of arrays that all have as many."""
    part = slice_of(lanes)
    if isinstance(part, slice):
        return _slice(arrays, lanes[0], lanes.size)
    (device,) = arrays[0].devices()
    if device.platform != "cpu":
        return _take(arrays, lanes)
    # nothing to compile: `_take` is compiled anew for each number of lanes in the arrays
    taken = [np.take(np.asarray(a), lanes, axis=-1) for a in arrays]
    return jax.device_put(taken, device)


@partial(jax.jit, static_argnums=2)
def _slice(arrays, first, size):
    return [jax.lax.dynamic_slice_in_dim(a, first, size, a.ndim - 1) for a in arrays]


@jax.jit
def _take(arrays, lanes):
    return [jnp.take(a, lanes, axis=-1, mode="clip") for a in arrays]


def cores() -> int:
    """Cores that blocks may run on: as many as XLA's own threads, if NPROC says how many these are.

    XLA shares its threads between all programs: with one, two blocks side by side would run on it in turn.
    """
    here = len(os.sched_getaffinity(0))
    told = os.environ.get("NPROC", "")
    return min(here, int(told)) if told.isdecimal() and int(told) else here


def on_cores(function, items, devices):
    """Call a function on each item and return the results in order, on every core or device at once.

    A block has no parallelism inside that would be worth its threads: on CPUs blocks run side by side, a
    thread a core; on GPUs a thread feeds each device.
    """
    workers = len(devices)
    if devices[0].platform == "cpu":
        workers = max(workers, cores())
    if min(workers, len(items)) <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))


def in_blocks(function, arrays, block_size):
    """Call a compiled function on blocks of lanes of one shape, side by side, and join the results.

    Parameters
    ----------
    function : callable
        Takes as many arrays as there are, and returns several; the last axis of each is the lane.
    arrays : sequence of array or of tuple of array
        All with the same number of lanes, or with one that the others share.
    block_size : int
        Lanes at a time.
    """
    devices = devices_of()
    # committed to a device, as what `block_of` takes on the host is: or there are two programs
    arrays = jax.device_put(arrays, devices[0])
    lanes = _lanes_of(jax.tree.leaves(arrays))
    blocks = [
        np.arange(start, min(start + block_size, lanes)) for start in range(0, lanes, block_size)
    ]

    def run(block):
        arguments = block_of(arrays, np.resize(block, block_size))
        results = jax.block_until_ready(function(*arguments))
        return [np.asarray(r)[..., : block.size] for r in results]

    parts = on_cores(run, blocks, devices)
    return [np.concatenate(p, axis=-1) for p in zip(*parts, strict=True)]
