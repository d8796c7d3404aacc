"""What a shard costs beside its fits: seconds to start with a warm cache, and memory by batch size.

Power law + Lorentzian + constant as the configuration names them, on 256 bins. `start_up` is a whole
`pipeline fit` of 8 spectra, from the start of the process to its end, median of 5, and less what the
same fits take where everything is in memory; the floor is an interpreter that imports JAX and SciPy. `memory` is the
peak resident memory of the stage on 8,192 spectra of 1,024 bins at each `fit.batch_size`.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from _common import report, simulate

from pipeline import tables
from pipeline.columns.spectra import SPECTRA
from pipeline.fit import Model, configure

MODELS = {"power_law_qpo": ["constant", "power_law", "lorentzian"]}
TRUTH = [2.0, 2.0, 1.5, 10.0, 6.0, 1.0]
N, REPEATS, TARGET, MANY = 32, 5, 3.0, 8192
BATCHES = 256, 1024, 4096, 8192


def write_spectra(path, lanes, bins):
    """Write a SPECTRA table."""
    model = Model.from_components("m", MODELS["power_law_qpo"])
    grid = np.linspace(1 / 16, bins / 16, bins)
    drawn, _ = simulate(model, TRUTH, grid, N, lanes, np.random.default_rng(1))
    width = grid[1] - grid[0]
    rows = [
        {
            **tables.empty_row(SPECTRA),
            "source_id": f"s{lane}",
            "product": "all",
            "status": "ok",
            "norm": "leahy",
            "frequency": grid,
            "frequency_lo": grid - width / 2,
            "frequency_hi": grid + width / 2,
            "power": drawn.power[:, lane],
            "n": np.full(bins, float(N)),
        }
        for lane in range(lanes)
    ]
    tables.write_parquet(path, SPECTRA, rows)


PEAK = """
import sys
from pathlib import Path
from pipeline.commands import main
status = main(sys.argv[1:])
line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
print(1024 * int(line.split()[1]))
sys.exit(status)
"""


def stage(folder, spectra, **options):
    """Run the stage and return its seconds and its peak resident memory, bytes."""
    told = json.dumps({"models": MODELS, "profile": "none", **options})
    outputs = [
        f"--{name}={folder / name}" for name in ("models", "parameters", "curves", "samples")
    ]
    command = [sys.executable, "-c", PEAK, "fit", f"--input={spectra}", *outputs]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, "--options", told], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - start, int(done.stdout.split()[-1])


def interpreter():
    """Seconds of a process that imports what the fits need, and does nothing."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", "import jax, scipy.special, scipy.stats; jax.devices()"], check=True
    )
    return time.perf_counter() - start


def main():
    """Print a line for the start, and one for each batch size."""
    configure()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_spectra(folder / "few", 8, 256)
        stage(folder, folder / "few")  # fills the cache
        seconds = median(stage(folder, folder / "few")[0] for _ in range(REPEATS))
        report(
            "shard",
            "pipeline fit of 8 spectra, 256 bins, warm cache: whole process",
            "s",
            seconds,
            floor=median(interpreter() for _ in range(REPEATS)),
            floor_name="interpreter with JAX and SciPy",
            target=TARGET,
        )
        write_spectra(folder / "many", MANY, 1024)
        least = (folder / "many").stat().st_size
        for batch in BATCHES:
            seconds, memory = stage(folder, folder / "many", batch_size=batch)
            report(
                "shard",
                f"peak memory, {MANY} spectra of 1,024 bins, batch_size {batch}",
                "bytes",
                memory,
                floor=float(3 * 8 * 1024 * batch),
                floor_name="the batch's frequencies, powers and weights in double precision",
                table=least,
                seconds=seconds,
            )


if __name__ == "__main__":
    main()
