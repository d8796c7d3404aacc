"""What a compiled program depends on besides the shapes of its arguments, as text that is the same in every process."""

import os
import platform
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import jaxlib
import numpy as np

from pipeline.closure import code_version

_PACKAGE = __name__.partition(".")[0]
_PARTS = ("fit.engine", "fit.objectives", "fit.model", "components")
"""Code that any program may run; that of the function itself is added."""
_SETTINGS = (
    "jax_enable_x64",
    "jax_default_matmul_precision",
    "jax_default_prng_impl",
    "jax_threefry_partitionable",
    "jax_numpy_dtype_promotion",
    "jax_debug_nans",
)
"""Settings of JAX that change what is traced."""


class Foreign(TypeError):
    """Something that a program depends on is not of this package: what it computes is not known without tracing."""


def described(value: Any) -> str:
    """Return a text that two values share only if functions compiled for them are the same.

    Parameters
    ----------
    value : object
        Numbers, text, types of NumPy, tuples, dataclasses, and functions and classes of this package. Of a
        dataclass the fields count that are compared.

    Raises
    ------
    Foreign
        For anything else, as a formula that a user wrote.
    """
    if isinstance(value, np.dtype):
        return value.str
    if isinstance(value, np.generic):
        return f"{value.dtype.str}:{value!r}"
    if value is None or isinstance(value, (int, float, str, bytes)):
        return f"{_named(type(value))}:{value!r}"
    if isinstance(value, (tuple, list)):
        inside = ",".join(described(one) for one in value)
        return f"{_named(type(value))}({inside})"
    if is_dataclass(value) and not isinstance(value, type):
        compared = [f.name for f in fields(value) if f.compare]
        inside = ",".join(f"{name}={described(getattr(value, name))}" for name in compared)
        return f"{_named(type(value))}({inside})"
    if isinstance(value, type) or callable(value):
        return _named(value)
    raise Foreign(type(value).__name__)


def _named(value: Any) -> str:
    """Return the full name of a class or function of this package, or of a built-in class."""
    module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
    ours = module == "builtins" or module.partition(".")[0] == _PACKAGE
    if not ours or not name or "<" in name:
        raise Foreign(f"{module}.{name}")
    return f"{module}.{name}"


def of_function(function: Callable) -> str:
    """Return the name of a function of this package with the version of the code that it may run.

    Raises
    ------
    Foreign
        For a function that is not of this package.
    """
    name = _named(function)
    return f"{name}@{_code(function.__module__)}"


@lru_cache
def _code(module: str) -> str:
    return code_version(*_PARTS, module.partition(".")[2])


def setting(name: str) -> Any:
    """Return one of JAX's settings; None where this JAX does not have it."""
    return getattr(jax.config, name, None)


def settings() -> str:
    """Return the settings of JAX that change what is traced."""
    return repr([setting(name) for name in _SETTINGS])


@lru_cache
def surroundings(device: jax.Device) -> str:
    """Return what compiled code is made for: versions, processor, device and the flags of the compiler."""
    libraries = [jax.__version__, jaxlib.__version__, np.__version__, _version("numpyro")]
    kind = [device.platform, device.device_kind, device.id, device.client.platform_version]
    flags = [os.environ.get(name, "") for name in ("XLA_FLAGS", "JAX_PLATFORMS")]
    return repr([libraries, kind, flags, processor()])


@lru_cache
def processor() -> str:
    """Return the model and the features of the processor: compiled programs do not travel."""
    try:
        first = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    except OSError:
        return platform.processor()
    lines = first.splitlines()
    return "".join(line for line in lines if line.startswith(("model name", "flags", "Features")))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
