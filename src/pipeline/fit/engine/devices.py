"""Where the fits run: set once for a job, before JAX looks for its devices; for a caller's fit, lent and given back."""

import contextlib
import hashlib
import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from pipeline.fit.engine.compilation import keep_in, kept_in
from pipeline.fit.engine.identity import processor
from pipeline.fit.engine.store import Store
from pipeline.private import user_cache

log = logging.getLogger(__name__)

PLATFORMS = ("auto", "cpu", "gpu")
PRECISIONS = ("float64", "float32")
CACHE_VARIABLE = "PIPELINE_COMPILATION_CACHE"
"""Environment variable with the folder of compiled programs."""
_ONE_AT_A_TIME = threading.RLock()
"""JAX's settings are the process's: fits in several threads take turns."""
_UNUSABLE = ""
"""What was wrong with the folders for programs, the last time."""


def configure(
    platform: str = "auto",
    precision: str = "float64",
    cache: str | os.PathLike | None = None,
    cpu_devices: int = 1,
) -> list[jax.Device]:
    """Choose platform, floating-point type and compilation cache, and return the devices.

    On CPUs blocks of spectra run side by side, a thread a core (`pipeline.fit.engine.blocks.on_cores`); on
    GPUs they are spread over the GPUs.

    Parameters
    ----------
    platform : {"auto", "cpu", "gpu"}
        ``auto``: a GPU where there is one.
    precision : {"float64", "float32"}
        Type the fits run in.
    cache : path-like, optional
        Folder of the compilation cache; by default that of `default_cache`, named for processor and
        version because compiled programs do not travel.
    cpu_devices : int, optional
        CPU devices to make of this machine, for tests. Ignored once JAX has started.

    Raises
    ------
    ValueError
        For a platform or precision that does not exist.
    RuntimeError
        When the platform asked for is not there.
    """
    _check(platform, precision)
    before = _setting("jax_platforms")
    if platform != "auto":
        jax.config.update("jax_platforms", "cuda" if platform == "gpu" else "cpu")
    # dispatched asynchronously, programs for the CPU would run one after the other
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    with contextlib.suppress(RuntimeError):  # JAX has started: its devices stay as they are
        jax.config.update("jax_num_cpu_devices", cpu_devices)
    try:
        found = devices_of(platform)
    except RuntimeError:
        jax.config.update("jax_platforms", before)
        found = devices_of(platform)  # again: what there is can be said now
    if found[0].platform != jax.devices()[0].platform:
        jax.config.update("jax_default_device", found[0])
    if precision == "float64":
        jax.config.update("jax_enable_x64", True)
    if _setting("jax_compilation_cache_dir"):  # what comes out of it cannot be kept by us
        jax.config.update("jax_compilation_cache_dir", None)
        compilation_cache.reset_cache()
    keep_in(_store(cache))
    return found


@contextlib.contextmanager
def borrowed(platform: str = "auto", precision: str = "float64") -> Iterator[list[jax.Device]]:
    """Use the JAX of a program that has its own settings: give the devices, and leave JAX as it was.

    Nothing that JAX reads only when it starts is changed: it starts as the program has it. Compiled programs are
    kept in `default_cache`, not in a compilation cache that the program may have.

    Parameters
    ----------
    platform, precision
        See `configure`.

    Yields
    ------
    list of jax.Device
        What to fit on.

    Raises
    ------
    ValueError, RuntimeError
        See `configure`.
    """
    _check(platform, precision)
    with _ONE_AT_A_TIME:
        found = devices_of(platform)
        cache = _setting("jax_compilation_cache_dir")
        names = ["jax_enable_x64", "jax_default_device"]
        names += ["jax_compilation_cache_dir"] if cache else []
        before = {name: _setting(name) for name in names}
        try:
            jax.config.update("jax_enable_x64", precision == "float64")
            if found[0].platform != jax.devices()[0].platform:
                jax.config.update("jax_default_device", found[0])
            if cache:
                jax.config.update("jax_compilation_cache_dir", None)
                compilation_cache.reset_cache()
            with kept_in(_store(None)):
                yield found
        finally:
            for name, value in before.items():
                jax.config.update(name, value)
            if cache:
                compilation_cache.reset_cache()


def devices_of(platform: str = "auto") -> list[jax.Device]:
    """Return the devices of a platform; ``auto``: those that JAX takes by itself, or was told to.

    Raises
    ------
    RuntimeError
        When there are none.
    """
    device = _setting("jax_default_device")
    if platform == "auto" and device is None:
        return jax.devices()
    if platform == "auto":
        return jax.devices(device if isinstance(device, str) else device.platform)
    try:
        return jax.devices(platform)
    except RuntimeError as error:
        there = ", ".join(sorted({d.platform for d in _any_devices()})) or "none"
        remedy = "install jax[cuda12] on a machine with one, or " if platform == "gpu" else ""
        raise RuntimeError(
            f"platform {platform!r}: JAX finds no such device here (it has: {there}); {remedy}"
            "use platform='auto'"
        ) from error


def _setting(name: str) -> Any:
    """Return one of JAX's settings."""
    return getattr(jax.config, name)


def _any_devices() -> list:
    """Devices that JAX has, none where it cannot start."""
    try:
        return jax.devices()
    except RuntimeError:
        return []


def _check(platform, precision):
    """Raise ValueError for a platform or precision that does not exist."""
    for name, value, allowed in (
        ("platform", platform, PLATFORMS),
        ("precision", precision, PRECISIONS),
    ):
        if value not in allowed:
            raise ValueError(f"no {name} {value!r}; there are {', '.join(allowed)}")


def _store(folder: str | os.PathLike | None) -> Store | None:
    """Return the store of compiled programs in a folder, by default `default_cache`; None where there can be none.

    Where somebody else can change the folder, programs are kept in the user's own cache.
    """
    global _UNUSABLE
    reasons = []
    for one in (Path(folder) if folder else default_cache(), own_cache()):
        try:
            store = Store(one)
        except OSError as error:
            reasons.append(str(error))
            continue
        if reasons:
            reasons.append(f"they are kept in {store.folder}")
        break
    else:
        store = None
        reasons.append("they are not kept")
    text = "; ".join(reasons)
    if reasons and text != _UNUSABLE:  # once
        log.warning("compiled programs: %s", text)
    _UNUSABLE = text
    return store


def default_cache() -> Path:
    """Return a folder for compiled programs that is this user's and this processor's alone.

    It is under `CACHE_VARIABLE`, where the environment has that, else under the system's temporary folder.
    """
    folder = os.environ.get(CACHE_VARIABLE)
    place = Path(folder) if folder else Path(tempfile.gettempdir()) / f"pipeline-jax-{os.getuid()}"
    return place / _key()


def own_cache() -> Path:
    """Return a folder for compiled programs that is in no folder which others may write."""
    return user_cache() / "pipeline-jax" / _key()


def _key() -> str:
    """Return a name for what compiled programs depend on."""
    return hashlib.sha256(f"{jax.__version__} {processor()}".encode()).hexdigest()[:12]
