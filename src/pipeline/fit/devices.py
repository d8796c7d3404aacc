"""Where the fits run: set once, before JAX looks for its devices."""

import contextlib
import hashlib
import os
import platform as host
import tempfile
from pathlib import Path

import jax


def configure(platform="auto", precision="float64", cache=None, cpu_devices=1):
    """Choose platform, floating-point type and compilation cache, and return the devices.

    On CPUs blocks of spectra run side by side, a thread a core (`pipeline.fit.blocks.on_cores`); on
    GPUs they are spread over the GPUs.

    Parameters
    ----------
    platform : {"auto", "cpu", "gpu"}
        ``auto``: a GPU where there is one.
    precision : {"float64", "float32"}
        Type the fits run in.
    cache : path-like, optional
        Folder of the compilation cache; one under the system's temporary folder by default, named for
        processor and version because compiled programs do not travel.
    cpu_devices : int, optional
        CPU devices to make of this machine, for tests. Ignored once JAX has started.

    Raises
    ------
    RuntimeError
        When the platform asked for is not there.
    """
    if platform != "auto":
        jax.config.update("jax_platforms", "cuda" if platform == "gpu" else "cpu")
    if precision == "float64":
        jax.config.update("jax_enable_x64", True)
    folder = Path(cache) if cache else default_cache()
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
    # dispatched asynchronously, programs for the CPU would run one after the other
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    with contextlib.suppress(RuntimeError):  # JAX has started: its devices stay as they are
        jax.config.update("jax_num_cpu_devices", cpu_devices)
    return jax.devices()


def default_cache() -> Path:
    """Return a folder for compiled programs that is this user's and this processor's alone."""
    try:
        processor = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
        processor = "".join(
            line for line in processor.splitlines() if line.startswith(("model name", "flags"))
        )
    except OSError:
        processor = host.processor()
    key = hashlib.sha256(f"{jax.__version__} {processor}".encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"pipeline-jax-{os.getuid()}" / key
