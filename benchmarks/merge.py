"""What a source costs in the merge, by format: processor time, memory, and the floor, which is to copy the bytes.

Each source has one file, two energy bands, three models with 12 parameters for each band, and a QPO in half of them.
The stages' files are written first, then `pipeline.catalog` joins them in a process of its own: once for each format
beside Parquet. Its cost is the difference to Parquet alone.

    python benchmarks/merge.py [--sources 1000 10000] [--formats parquet fits votable hats] [--in FOLDER]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _common import report

from pipeline.columns.fits import MODELS, PARAMETERS
from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.samples import SAMPLES
from pipeline.columns.spectra import SPECTRA
from pipeline.nulls import with_nulls
from pipeline.shards import shard_name, shard_of
from pipeline.tables import to_arrow

BANDS = ("events/nicer/0.5-2keV", "events/nicer/2-10keV")
FITTED = {
    "noise": ["constant.1"],
    "power_law": ["constant.1", "power_law.1"],
    "power_law_qpo": ["constant.1", "power_law.1", "lorentzian.1", "lorentzian.2"],
}
TEMPLATES = 64
"""Sources that are made; the others are copies of them with other names."""
IN_A_SHARD = 1000
MERGE = """
import json, resource, sys
from pathlib import Path
from pipeline.catalog import driver
from pipeline.config.catalog import CatalogOptions
from pipeline.config.survey import Survey

def used():
    return resource.getrusage(resource.RUSAGE_SELF)

folder, start = Path(sys.argv[1]), used()
folders = {name: folder / name for name in ("plan", "ingest", "segment", "fit", "output")}
driver.run(
    observations=folder / "observations.parquet",
    **folders,
    options=CatalogOptions(formats=sys.argv[2:], largest_table=10**12),
    survey=Survey(archive="archive"),
)
end = used()
cpu = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
print(json.dumps({"cpu": cpu, "floor": 1024 * start.ru_maxrss, "peak": 1024 * end.ru_maxrss}))
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


def templates():
    """Return the rows of the sources that are made, by table."""
    rng, tables = np.random.default_rng(1), {t: [] for t in (INGEST, SPECTRA, MODELS, PARAMETERS)}
    tables[OBSERVATIONS] = []
    for number in range(TEMPLATES):
        source = {"source_id": "", "status": "ok"}
        file = {"file": "", "observation_id": f"{number:07d}", "kind": "events"}
        more = {
            "size": 1000,
            "version": "1",
            "ra": rng.uniform(0, 360),
            "dec": rng.uniform(-90, 90),
        }
        tables[OBSERVATIONS].append(source | file | more)
        for band in BANDS:
            key = source | {"product": band}
            tables[INGEST].append(key | file)
            spectrum = {"series": band, "observation_ids": [file["observation_id"]], "m": 10}
            tables[SPECTRA].append(key | spectrum | {"counts": 1e5, "segment_size": 64.0})
            for place, (model, components) in enumerate(FITTED.items()):
                best = place == 1 + number % 2
                fit = {"model": model, "best": best, "components": components, "n_free": 3}
                fit |= {"norm": "frac", "covariance": rng.uniform(size=(3 * place) ** 2)}
                tables[MODELS].append(key | fit | {"bic": rng.uniform(1, 100)})
            key = {name: key[name] for name in ("source_id", "product")}
            tables[PARAMETERS] += parameters(rng, key | {"model": "power_law_qpo"})
    return {table: with_nulls(table, to_arrow(table, rows)) for table, rows in tables.items()}


def copies(data, ids, files):
    """Return the rows of as many sources as there are names."""
    each = data.num_rows // TEMPLATES
    rows = (np.arange(len(ids)) % TEMPLATES)[:, None] * each + np.arange(each)
    found = data.take(pa.array(rows.ravel()))
    for name, words in (("source_id", ids), ("file", files)):
        if name in found.column_names:
            place = found.column_names.index(name)
            words = pa.array(np.repeat(words, each), pa.string())
            found = found.set_column(place, found.schema.field(name), words)
    return found


def write_stages(folder, n_sources):
    """Write what the stages leave of a survey."""
    made = templates()
    shards = max(1, n_sources // IN_A_SHARD)
    ids = np.array([f"source {number:07d}" for number in range(n_sources)])
    shard = np.array([shard_of(name, shards) for name in ids])
    files = np.array([f"{number:07d}.evt" for number in range(n_sources)])
    for name in ("plan", "ingest", "segment", "fit"):
        (folder / name).mkdir(parents=True)
    pq.write_table(copies(made[OBSERVATIONS], ids, files), folder / "observations.parquet")
    empty = with_nulls(SAMPLES, to_arrow(SAMPLES, []))
    for number in range(shards):
        name = shard_name(number)
        own, of_own = ids[shard == number], files[shard == number]
        lines = "\n".join(["source_id", *own]) + "\n"
        (folder / "plan" / f"{name}.tsv").write_text(lines, encoding="utf-8")
        for table, path in (
            (INGEST, f"ingest/{name}.parquet"),
            (SPECTRA, f"segment/{name}.parquet"),
            (MODELS, f"fit/{name}.models.parquet"),
            (PARAMETERS, f"fit/{name}.parameters.parquet"),
        ):
            pq.write_table(copies(made[table], own, of_own), folder / path, compression="zstd")
        pq.write_table(empty, folder / f"fit/{name}.samples.parquet")


def merged(folder, formats):
    """Return what the merge into some formats costs, and the bytes that it writes."""
    shutil.rmtree(folder / "output", ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-c", MERGE, folder, *formats], check=True, stdout=subprocess.PIPE
    )
    written = [path for path in (folder / "output").rglob("*") if path.is_file()]
    sizes = sum(path.stat().st_size for path in written)
    return json.loads(done.stdout) | {"bytes": sizes, "copy": copying(written)}


def copying(paths):
    """Return the processor time that copying files takes."""
    start = time.process_time()
    for path in paths:
        shutil.copyfile(path, path.with_name("copy"))
        os.remove(path.with_name("copy"))
    return time.process_time() - start


def main():
    """Print the cost of a source."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--formats", nargs="+", default=["parquet", "fits", "votable", "hats"])
    parser.add_argument("--in", dest="parent", type=Path, help="folder of the temporary files")
    options = parser.parse_args()
    for n_sources in options.sources:
        with tempfile.TemporaryDirectory(dir=options.parent) as name:
            folder = Path(name)
            write_stages(folder, n_sources)
            alone = merged(folder, ["parquet"])
            for one in options.formats:
                seen = alone if one == "parquet" else merged(folder, ["parquet", one])
                extra = dict.fromkeys(seen, 0) if one == "parquet" else alone
                report(
                    "merge",
                    f"{n_sources} sources, {one}",
                    "ms of processor time a source",
                    1e3 * (seen["cpu"] - extra["cpu"]) / n_sources,
                    floor=1e3 * (seen["copy"] - extra["copy"]) / n_sources,
                    floor_name="copy of the files",
                    bytes_a_source=(seen["bytes"] - extra["bytes"]) / n_sources,
                    memory_kb_a_source=(seen["peak"] - seen["floor"]) / n_sources / 1e3,
                    peak_mb=seen["peak"] / 1e6,
                )


if __name__ == "__main__":
    main()
