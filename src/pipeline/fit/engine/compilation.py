"""Functions of arrays that are compiled for their constants and shapes, once a machine: see `stored`."""

import logging
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import lru_cache, partial, update_wrapper
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from pipeline.fit.engine import identity
from pipeline.fit.engine.arrays import Tree
from pipeline.fit.engine.store import Store, Wanted, compiled

log = logging.getLogger(__name__)

KEPT = 256
"""Constants of a function that are remembered with their programs, the most recently used."""
_USED: list[Store | None] = [None]
"""The store of this process, last; the others are those that it replaced for a while."""
_FUNCTIONS: list["StoredFunction"] = []


def keep_in(store: Store | None) -> None:
    """Keep the programs of this process in a store from now on, or nowhere."""
    _USED[-1] = store


@contextmanager
def kept_in(store: Store | None) -> Iterator[None]:
    """Keep programs in a store, or nowhere, for a while."""
    _USED.append(store)
    try:
        yield
    finally:
        _USED.pop()


def stored(static: int = 0) -> Callable[[Callable], "StoredFunction"]:
    """Have a function of arrays compiled when it is called, and the program kept on disk.

    Parameters
    ----------
    static : int
        How many of its first arguments are constants of the program; they are hashable.
    """
    return lambda function: StoredFunction(function, static)


def forget() -> None:
    """Let go of the programs of this process: each holds memory maps, of which it may have 65,530."""
    for function in _FUNCTIONS:
        function.of.cache_clear()


class StoredFunction:
    """A function of constants and of arrays; see `stored`."""

    def __init__(self, function: Callable, static: int):
        self.function, self.static = function, static
        self.of = lru_cache(KEPT)(self._of)
        update_wrapper(self, function)
        _FUNCTIONS.append(self)

    def __call__(self, *arguments: Any) -> Any:
        """Call the function of constants and arrays."""
        return self.of(*arguments[: self.static])(*arguments[self.static :])

    def _of(self, *constants: Hashable) -> "StoredPrograms":
        """Return the function of arrays alone, with its constants set."""
        return StoredPrograms(self.function, constants)


class _Shape(NamedTuple):
    """What of the arguments a program is compiled for.

    Attributes
    ----------
    tree : PyTreeDef
        How they are nested.
    x64 : bool
        Whether there is double precision.
    device : jax.Device or None
        Where they are; None: on the host.
    arrays : tuple of (shape, dtype)
        Each of them.
    """

    tree: Any
    x64: bool
    device: jax.Device | None
    arrays: tuple[tuple[tuple[int, ...], np.dtype], ...]


class StoredPrograms:
    """A function of arrays with its constants set, and its programs, one a shape of the arguments."""

    def __init__(self, function: Callable, constants: tuple[Hashable, ...]):
        self.function, self.constants = function, constants
        self._programs: dict[_Shape, Future] = {}
        self._lock = threading.Lock()

    def __call__(self, *arguments: Any) -> Any:
        """Call the program for the shape of the arguments; make it where there is none yet."""
        leaves, tree = jax.tree.flatten(arguments)
        device = None
        for leaf in leaves:
            if isinstance(leaf, jax.core.Tracer):  # part of a larger program
                return self.function(*self.constants, *arguments)
            if device is None and isinstance(leaf, jax.Array):
                (device,) = leaf.devices()
        shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)
        shape = _Shape(tree, _in_double(), device, shapes)
        program = self._programs.get(shape)
        if program is None:
            program = self._begun(shape)
        return program.result()(*leaves)

    def make(self, arguments: Sequence[Tree], device: jax.Device) -> None:
        """Make the program for arguments of these shapes on a device, or wait for who makes it."""
        self._begun(self._shape(arguments, device)).result()

    def made_elsewhere(self, arguments: Sequence[Tree], device: jax.Device) -> bool:
        """Return whether another thread or process makes the program of these shapes now."""
        shape, store = self._shape(arguments, device), _USED[-1]
        begun = self._programs.get(shape)
        if begun is not None or store is None:
            return begun is not None and not begun.done()
        known = self._identity(shape)
        return known is not None and store.is_making(known, device)

    def _shape(self, arguments: Sequence[Tree], device: jax.Device) -> _Shape:
        """Return what of some arguments a program is compiled for."""
        leaves, tree = jax.tree.flatten(tuple(arguments))
        shapes = tuple((tuple(leaf.shape), np.dtype(leaf.dtype)) for leaf in leaves)
        return _Shape(tree, _in_double(), device, shapes)

    def _begun(self, shape: _Shape) -> Future:
        """Make the program of a shape, or return the future of the thread that makes it."""
        with self._lock:
            there = self._programs.get(shape)
            if there is not None:
                return there
            mine: Future = Future()
            self._programs[shape] = mine
        try:
            mine.set_result(self._made(shape))
        except BaseException as error:
            del self._programs[shape]  # not remembered: memory may have been short
            mine.set_exception(error)
        return mine

    def _made(self, shape: _Shape) -> Callable:
        """Load the program of a shape, or compile it."""
        device = shape.device or _default_device()
        placed = SingleDeviceSharding(device)
        arrays = [
            jax.ShapeDtypeStruct(s, jax.dtypes.canonicalize_dtype(kind), sharding=placed)
            for s, kind in shape.arrays
        ]
        name, store = getattr(self.function, "__name__", "function"), _USED[-1]
        if store is None:
            return compiled(self._lowered(name, shape, arrays), name)
        lower = partial(self._lowered, name, shape, arrays)
        return store.program(Wanted(name, self._identity(shape), lower, device, len(arrays)))

    def _lowered(self, name: str, shape: _Shape, arrays: Sequence[jax.ShapeDtypeStruct]) -> Any:
        """Trace the function for a shape, and lower it."""

        def flat(*leaves):
            return self.function(*self.constants, *jax.tree.unflatten(shape.tree, leaves))

        flat.__name__ = name
        began = time.perf_counter()
        lowered = jax.jit(flat).lower(*arrays)
        log.debug("%s %s %.6f", "traced", name, time.perf_counter() - began)
        return lowered

    def _identity(self, shape: _Shape) -> str | None:
        """Return what says which program it is without tracing; None where only that tells."""
        try:
            parts = [identity.of_function(self.function), identity.described(self.constants)]
        except identity.Foreign:
            return None
        arrays = [(s, np.dtype(kind).str) for s, kind in shape.arrays]
        return repr([*parts, str(shape.tree), arrays, identity.settings()])


def _in_double() -> bool:
    """Return whether JAX has double precision now."""
    return jax.dtypes.canonicalize_dtype(np.float64) == np.float64


def _default_device() -> jax.Device:
    """Return the device on which JAX puts arrays of the host."""
    device: Any = identity.setting("jax_default_device")
    if device is None:
        return jax.devices()[0]
    return jax.devices(device)[0] if isinstance(device, str) else device
