"""Write a simulated archive, and a table of the injected values: the truth."""

import gzip
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits
from rich.console import Console
from rich.progress import track

from pipeline import temporary
from pipeline.columns.simulate import TRUTH
from pipeline.config.base import ConfigError
from pipeline.config.simulate import SimulateOptions
from pipeline.simulate import damage, dialects
from pipeline.simulate.observatories import POWER_EDGES, RESPONSE_PATH, observe_source
from pipeline.simulate.population import DIALECTS, Source, draw_source
from pipeline.tables import write_parquet

_DRAW, _OBSERVE, _DAMAGE = 0, 1, 2
"""Purposes of streams of random numbers."""

_THREADS = 4
"""Most sources at a time: each needs some 100 MB."""


def run(*, output: Path, options: SimulateOptions) -> None:
    """Write the archive into the folder `output`, and its truth into ``<output>-truth.parquet``.

    The archive appears under its name only when it is complete. Equal options make equal bytes, and
    a source is the same in a larger archive.

    Raises
    ------
    ConfigError
        When `output` exists already and is not an empty folder.
    """
    output = Path(output).resolve()
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise ConfigError(f"output: {output} exists; allowed: a folder that is new or empty")
    temporary.sweep_beside(output)
    unfinished = temporary.unfinished(output)
    seed = options.seed
    sources = [draw_source(i, _generator(seed, _DRAW, i)) for i in range(options.n_sources)]
    try:
        with ThreadPoolExecutor(min(_THREADS, len(os.sched_getaffinity(0)))) as pool:
            files = pool.map(partial(_write_files, unfinished, seed), sources)
            try:
                for _ in _with_progress(files, len(sources)):
                    pass
            except BaseException:
                pool.shutdown(cancel_futures=True)  # it is interrupted, or a file cannot be written
                raise
        damaged = [_damaged_file(number, sources, seed) for number in range(options.n_damaged)]
        for file in damaged:
            _write(unfinished / file.path, file.data)
        _write(unfinished / RESPONSE_PATH, _fits_bytes(dialects.response(POWER_EDGES)))
        hosts = {file.named for file in damaged}
        truth = [_truth_row(source, damaged=source.name in hosts) for source in sources]
        write_parquet(output.with_name(f"{output.name}-truth.parquet"), TRUTH, truth)
        os.replace(unfinished, output)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _with_progress(done: Iterable[None], total: int) -> Iterable[None]:
    """Go through what is done with a progress bar, if anybody sees it."""
    console = Console(stderr=True)
    is_hidden = not sys.stderr.isatty()
    return track(done, "simulate", total=total, console=console, disable=is_hidden)


def _generator(seed: int, purpose: int, *key: int) -> np.random.Generator:
    """Return a stream of random numbers of its own for each purpose and key."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, *key)))


def _write_files(folder: Path, seed: int, source: Source) -> None:
    """Write the files of a source. NumPy and SciPy, which take most of the time, let other threads go on."""
    for path, data in _source_files(source, seed):
        _write(folder / path, data)


def _source_files(source: Source, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each observation of a source, and of a copy of the very first."""
    for number in range(source.n_files):
        rng = _generator(seed, _OBSERVE, source.index, number)
        observed = observe_source(source, number, rng)
        path, data = observed.path, _fits_bytes(observed.hdus)
        data = _compressed(data) if path.endswith(".gz") else data
        yield path, data
        if source.index == number == 0:
            # Under a name that sorts after the original's.
            yield path.replace("_cl_bary", "_cl_bary_copy"), data


@dataclass(frozen=True)
class DamagedFile:
    """A file that was damaged on purpose.

    Attributes
    ----------
    path : str
        Path of the file in the archive.
    data : bytes
        Its content.
    named : str or None
        The source that its header names; None where it cannot be read.
    """

    path: str
    data: bytes
    named: str | None


def _damaged_file(number: int, sources: list[Source], seed: int) -> DamagedFile:
    """Return a damaged file.

    The file is a sound observation of a source of its dialect, spoilt; its header names another
    source of that dialect (where the archive has none, any), so that it adds no source.
    """
    dialect, spoil, is_named = _DAMAGES[number % len(_DAMAGES)]
    rng = _generator(seed, _DAMAGE, number)
    candidates = [s for s in sources if s.dialect == dialect] or sources
    host = candidates[rng.integers(len(candidates))]
    # The first sources are of each dialect in turn.
    donor = draw_source(DIALECTS.index(dialect), rng)
    donor = replace(donor, index=host.index, name=host.name, ra=host.ra, dec=host.dec)
    observed = observe_source(donor, host.n_files + number, rng)
    path = observed.path.removesuffix(".gz")
    return DamagedFile(path, spoil(observed.hdus), host.name if is_named else None)


_DAMAGES: tuple[tuple[str, Callable[[fits.HDUList], bytes], bool], ...] = (
    ("events", lambda hdus: damage.cut_short(_fits_bytes(hdus)), True),
    ("kepler", lambda hdus: damage.error_page(), False),
    ("rate", lambda hdus: _fits_bytes(damage.without_time_column(hdus)), True),
    ("power", lambda hdus: _fits_bytes(damage.without_response(hdus)), True),
    ("events", lambda hdus: _fits_bytes(damage.without_times(hdus)), True),
)
"""Dialect of a damaged file, what is done to it, and whether its header can still be read."""


def _fits_bytes(hdus: fits.HDUList) -> bytes:
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()


def _compressed(data: bytes) -> bytes:
    """Compress without a name or a time in the header."""
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", compresslevel=1, fileobj=buffer, mtime=0) as stream:
        stream.write(data)
    return buffer.getvalue()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _truth_row(source: Source, *, damaged: bool) -> dict:
    spectrum = source.spectrum
    injected = {f.name: getattr(spectrum, f.name) for f in fields(spectrum)}
    return {
        **injected,
        "object": source.name,
        "dialect": source.dialect,
        "kind": source.kind,
        "amplitude": spectrum.amplitude or np.nan,
        "noise": source.noise,
        "mean_rate": source.mean_rate,
        "n_files": source.n_files,
        "damaged": damaged,
    }
