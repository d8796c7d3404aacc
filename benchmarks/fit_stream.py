"""Fits a second where the spectra come from Parquet and go to the device, beside those that are there already.

The workload of `fit_speed`, float32, in several shards of spectra. `resident`: spectra in the memory of the
device. `in turn`: a shard is read, handed over, fitted; `overlapped`: a thread reads the next one and hands it over
meanwhile. The floor is the resident rate; `read` is what reading and handing over alone would allow.
"""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _common import report
from fit_speed import BINS, BLOCK, SPECTRA, bounds, ours, workload

from pipeline.fit import Engine, Model, PowerSpectrum, Spectra, configure

SHARDS, REPEATS = 4, 3
COLUMNS = "frequency", "power", "n"


def write(path, spectra):
    """Write spectra as list columns, as the table SPECTRA has them."""
    arrays = []
    for values in spectra[:3]:
        flat = np.ascontiguousarray(values.T, np.float64).ravel()
        offsets = np.arange(0, flat.size + 1, len(values), dtype=np.int32)
        arrays.append(pa.ListArray.from_arrays(offsets, flat))
    pq.write_table(pa.table(dict(zip(COLUMNS, arrays, strict=True))), path, compression="zstd")


def read(path, dtype):
    """Read spectra of one length and hand them over."""
    table = pq.read_table(path)
    columns = (table.column(c).combine_chunks().values.to_numpy() for c in COLUMNS)
    spectra = Spectra(*(c.reshape(table.num_rows, -1).T.astype(dtype) for c in columns))
    return jax.block_until_ready(spectra.on_device(dtype))


def in_turn(paths, dtype, fit):
    """Read and fit, one after the other."""
    for path in paths:
        fit(read(path, dtype))


def overlapped(paths, dtype, fit):
    """Read the next while this one is fitted."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(read, paths[0], dtype)
        for path in [*paths[1:], None]:
            here = coming.result()
            coming = pool.submit(read, path, dtype) if path else None
            fit(here)


def seconds(function):
    """Median seconds of some calls."""
    took = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        took.append(time.perf_counter() - start)
    return median(took)


def main():
    """Print a line for each way."""
    devices = configure()
    model = Model.from_components("speed", ["power_law", "lorentzian", "constant"])
    spectra, u, start = workload(model)
    on_cpu = devices[0].platform == "cpu"
    block = BLOCK if on_cpu else SPECTRA
    engine = Engine(PowerSpectrum(model), block_size=block, precision="float32", devices=devices)
    lower, upper = bounds(u)

    def fit(here):
        return ours(engine, here, start, lower, upper)

    resident = spectra.on_device(engine.dtype)
    fit(resident)  # compiles
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"shard-{k}.parquet" for k in range(SHARDS)]
        for path in paths:
            write(path, spectra)
        count = SHARDS * SPECTRA
        alone = count / seconds(lambda: [fit(resident) for _ in paths])
        reading = count / seconds(lambda: [read(path, engine.dtype) for path in paths])
        for name, way in (("in turn", in_turn), ("overlapped", overlapped)):
            report(
                "fit_stream",
                f"power law + Lorentzian + constant, {BINS} bins, float32, from Parquet, {name}",
                "fits/s",
                count / seconds(partial(way, paths, engine.dtype, fit)),
                floor=alone,
                floor_name="spectra resident on the device",
                read=reading,
                device=f"{len(devices)} x {devices[0].device_kind}",
            )


if __name__ == "__main__":
    main()
