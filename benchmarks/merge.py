"""What a source costs in the merge: seconds of processor time, and memory, without the published formats.

Each source has one file, two energy bands, three models with 12 parameters for each band, and a QPO in half of them.
The stages' files are written first, then `pipeline.catalog` joins them in a process of its own.

    python benchmarks/merge.py [--sources 2000]
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from pipeline.columns.fits import MODELS, PARAMETERS
from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.samples import SAMPLES
from pipeline.columns.spectra import SPECTRA
from pipeline.tables import write_parquet

BANDS = ("events/nicer/0.5-2keV", "events/nicer/2-10keV")
FITTED = {
    "noise": ["constant.1"],
    "power_law": ["constant.1", "power_law.1"],
    "power_law_qpo": ["constant.1", "power_law.1", "lorentzian.1", "lorentzian.2"],
}
MERGE = """
import json, resource, sys, time
from pathlib import Path
from pipeline.catalog import driver
from pipeline.config.catalog import CatalogOptions
from pipeline.config.survey import Survey

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

seen = {"floor": peak()}
driver.publish = lambda *_, **__: seen.update(cpu=time.process_time() - start, peak=peak()) or {}
folder = Path(sys.argv[1])
folders = {name: folder / name for name in ("plan", "ingest", "segment", "fit", "output")}
start = time.process_time()
observations = folder / "observations.parquet"
driver.run(observations=observations, **folders, options=CatalogOptions(), survey=Survey(archive="archive"))
print(json.dumps(seen))
"""


def parameters(rng, key):
    """Yield the parameters of the model with peaks."""
    values = {
        "constant.1": {"level": 0.01},
        "power_law.1": {"amplitude": 0.02, "slope": rng.uniform(0.5, 2)},
    }
    for number in (1, 2):
        frequency, fwhm = rng.uniform(0.5, 20), rng.uniform(0.05, 5)
        values[f"lorentzian.{number}"] = {
            "variance": rng.uniform(0.001, 0.1),
            "frequency": frequency,
            "fwhm": fwhm,
            "q": frequency / fwhm,
            "rms": 0.1,
        }
    for component, own in values.items():
        for name, value in own.items():
            yield key | {
                "component": component,
                "parameter": name,
                "value": value,
                "err_lo": 0.1 * value,
                "err_hi": 0.1 * value,
                "best": key["model"] == "power_law_qpo",
            }


def write_stages(folder, n_sources):
    """Write what the stages leave of a survey of one shard."""
    rng, tables = np.random.default_rng(1), {t: [] for t in (INGEST, SPECTRA, MODELS, PARAMETERS)}
    files = []
    for number in range(n_sources):
        source = {"source_id": f"source {number:07d}", "status": "ok"}
        file = {"file": f"{number:07d}.evt", "observation_id": f"{number:07d}", "kind": "events"}
        files.append(source | file | {"size": 1000, "version": "1", "ra": 10.0, "dec": 20.0})
        for band in BANDS:
            key = source | {"product": band}
            tables[INGEST].append(key | file)
            spectrum = {"series": band, "observation_ids": [file["observation_id"]], "m": 10}
            tables[SPECTRA].append(key | spectrum | {"counts": 1e5, "segment_size": 64.0})
            for place, (model, components) in enumerate(FITTED.items()):
                best = place == 1 + number % 2
                fit = {"model": model, "best": best, "components": components, "n_free": 3}
                tables[MODELS].append(key | fit | {"bic": rng.uniform(1, 100), "norm": "frac"})
            key = {name: key[name] for name in ("source_id", "product")}
            tables[PARAMETERS] += parameters(rng, key | {"model": "power_law_qpo"})
    write_parquet(folder / "observations.parquet", OBSERVATIONS, files)
    (folder / "plan").mkdir()
    lines = ["source_id", *(file["source_id"] for file in files)]
    (folder / "plan" / "shard-0000.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_parquet(folder / "ingest" / "shard-0000.parquet", INGEST, tables[INGEST])
    write_parquet(folder / "segment" / "shard-0000.parquet", SPECTRA, tables[SPECTRA])
    for table in (MODELS, PARAMETERS, SAMPLES):
        path = folder / "fit" / f"shard-0000.{table.name.lower()}.parquet"
        write_parquet(path, table, tables.get(table, []))


def main():
    """Print the cost of a source."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=int, default=2000)
    n_sources = parser.parse_args().sources
    with tempfile.TemporaryDirectory() as name:
        write_stages(Path(name), n_sources)
        done = subprocess.run(
            [sys.executable, "-c", MERGE, name], check=True, stdout=subprocess.PIPE
        )
    seen = json.loads(done.stdout)
    print(
        f"{n_sources} sources: {1e3 * seen['cpu'] / n_sources:.3f} ms of processor time and "
        f"{(seen['peak'] - seen['floor']) / n_sources / 1e3:.1f} kB of memory a source"
    )


if __name__ == "__main__":
    main()
