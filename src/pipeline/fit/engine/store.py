"""Compiled programs on disk: made once a machine, whichever process needs them first, and loaded by the others.

A program is a file that is named for its content: what JAX lowered, and what it was compiled for. A link that is
named for the function, its constants and the shapes of its arguments leads there without tracing; functions
that are not of this package are traced each time, and then found by their content.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

from pipeline import private
from pipeline.fit.engine.identity import surroundings

log = logging.getLogger(__name__)

FORMAT = b"pipeline program 1\n"
"""How a file begins; the SHA-256 of the rest follows."""
_BROKEN = (OSError, ValueError, EOFError, pickle.UnpicklingError, AttributeError, ImportError)
_NOT_KEPT = (ValueError, NotImplementedError, AttributeError, ImportError, TypeError, OSError)


class Wanted(NamedTuple):
    """A program that is wanted.

    Attributes
    ----------
    name : str
        Of the function, for the log.
    identity : str or None
        What says, without tracing, which program it is; None where nothing does.
    lower : callable
        Traces the function and returns a `jax.stages.Lowered`. Its arguments are flat arrays.
    device : jax.Device
        Where it runs.
    arguments : int
        Number of its arguments.
    """

    name: str
    identity: str | None
    lower: Callable[[], Any]
    device: jax.Device
    arguments: int


class Store:
    """A folder of compiled programs that only this user can read or write, because they are pickled.

    Parameters
    ----------
    folder : path-like
        Where; it is made if it is not there.

    Raises
    ------
    OSError
        When it cannot be made, or somebody else can change it or what is in it.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = private.made(Path(folder) / f"programs-{os.getuid()}")

    def program(self, wanted: Wanted) -> Callable:
        """Return a compiled program: loaded, or made and kept."""
        if wanted.identity is None:
            return self._made(wanted)
        link = _digest(wanted.identity, surroundings(wanted.device))
        found = self._loaded(link, wanted)
        if found is not None:
            return found
        with self._alone(link):  # another process may make it meanwhile
            found = self._loaded(link, wanted)
            return self._made(wanted, link) if found is None else found

    def is_making(self, identity: str, device: jax.Device) -> bool:
        """Return whether a process makes a program now."""
        path = self.folder / f"{_digest(identity, surroundings(device))}.lock"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            os.close(handle)
        return False

    def _made(self, wanted: Wanted, link: str | None = None) -> Callable:
        """Return the program of what a function is lowered to, loaded or compiled."""
        lowered = wanted.lower()
        name = _digest(lowered.as_text(), surroundings(wanted.device))
        found = self._loaded(name, wanted)
        if found is None:
            with self._alone(name):
                found = self._loaded(name, wanted)
                if found is None:
                    found = compiled(lowered, wanted.name)
                    self._keep(name, found)
        if link is not None and (self.folder / name).exists():
            with contextlib.suppress(OSError):
                self._link(link, name)
        return found

    def _loaded(self, name: str, wanted: Wanted) -> Callable | None:
        """Return a program that is kept; None where there is none, or its file is broken."""
        try:
            with open(self.folder / name, "rb") as file:
                about = os.fstat(file.fileno())
                if about.st_uid != os.geteuid() or about.st_mode & 0o022:
                    raise PermissionError(f"{self.folder / name} is not of this user alone")
                content = file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("a compiled program is made again: %s", error)
            return None
        began = time.perf_counter()
        head = len(FORMAT) + hashlib.sha256().digest_size
        try:
            if content[:head] != FORMAT + hashlib.sha256(content[head:]).digest():
                raise ValueError("not a program")
            loaded = _unpickled(content[head:], wanted)
        except (*_BROKEN, jax.errors.JaxRuntimeError) as error:
            log.warning("a compiled program is made again: %s/%s: %s", self.folder, name, error)
            return None
        log.debug("%s %s %.6f", "loaded", wanted.name, time.perf_counter() - began)
        return loaded

    def _keep(self, name: str, program: Any) -> None:
        """Write a program, whole or not at all; do without where JAX cannot, or the disk is full."""
        try:
            from jax.experimental import serialize_executable

            payload, _, out_tree = serialize_executable.serialize(program)
            content = pickle.dumps((payload, out_tree))
            with tempfile.NamedTemporaryFile(dir=self.folder, prefix=".", delete=False) as handle:
                handle.write(FORMAT + hashlib.sha256(content).digest() + content)
            os.replace(handle.name, self.folder / name)
        except (*_NOT_KEPT, jax.errors.JaxRuntimeError, pickle.PicklingError) as error:
            log.debug("a compiled program is not kept: %s", error)

    def _link(self, link: str, name: str) -> None:
        """Let a name lead to the file of a program."""
        temporary = self.folder / f".{link}.{os.getpid()}.{time.monotonic_ns()}"
        temporary.symlink_to(name)
        os.replace(temporary, self.folder / link)

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Hold the lock of a program; without it where the file system has no locks."""
        path = self.folder / f"{name}.lock"
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            yield
            return
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
            with contextlib.suppress(OSError):
                path.unlink()  # who waits for it finds the program
        finally:
            os.close(handle)


def compiled(lowered: Any, name: str) -> Any:
    """Compile what a function with a name was lowered to."""
    began = time.perf_counter()
    program = lowered.compile()
    log.debug("%s %s %.6f", "compiled", name, time.perf_counter() - began)
    return program


def _unpickled(content: bytes, wanted: Wanted) -> Callable:
    """Load a program on the device that it is wanted for."""
    from jax.experimental import serialize_executable

    payload, out_tree = pickle.loads(content)
    in_tree = jax.tree.structure(((0,) * wanted.arguments, {}))
    device = wanted.device
    return serialize_executable.deserialize_and_load(
        payload, in_tree, out_tree, device.client, execution_devices=[device]
    )


def _digest(*parts: str) -> str:
    """Return a name for what is described by some texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]
