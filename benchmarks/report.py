"""The report of a catalogue of many sources: processor time, memory, bytes, and the time in which it opens.

The catalogue is drawn at random: a file, three models and ten parameters for each source, and the curves of as many
sources as the report shows. Chromium, if there is one, opens the page from its folder, searches, sorts and opens a
source; the times are those of its own clock.

    python benchmarks/report.py [--sources 100000] [--keep FOLDER]
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from _common import report
from _cpu import measure

from pipeline.columns.catalogue import REJECTED, SOURCES
from pipeline.columns.fits import CURVES, MODELS, PARAMETERS
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.samples import SAMPLES
from pipeline.tables import columns_to_arrow, parquet_writer, stored_schema, write_parquet

GROUP, SHOWN, BINS, PATIENCE = 20_000, 10_000, 276, 120
MODEL_NAMES = np.array(["noise", "power_law", "power_law_qpo"])


def sources(rng, ids):
    """Return columns of SOURCES."""
    n = len(ids)
    model = rng.integers(0, 3, n)
    columns = {
        "source_id": ids,
        "object": ids,
        "observation_id": [name[4:] for name in ids],
        "mission": np.array(["nicer", "xte", "xmm"])[rng.integers(0, 3, n)],
        "instrument": ["XTI"] * n,
        "product": ["events"] * n,
        "kind": ["events"] * n,
        "status": np.where(rng.random(n) < 0.97, "ok", "too_short"),
        "model": MODEL_NAMES[model],
        "norm": ["frac"] * n,
        "n_bins": np.full(n, BINS),
        "n_free": 1 + 2 * model,
        "m": np.full(n, 16),
        "deviance": rng.chisquare(BINS, n),
        "qpo_q_value": np.where(model == 2, rng.random(n) ** 4, np.nan),
    }
    for name in ("slope", "bend_frequency", "qpo_frequency", "qpo_q", "qpo_rms", "rms"):
        value = np.where(model > ("qpo" in name), rng.lognormal(0, 1, n), np.nan)
        columns |= {
            name: value,
            f"{name}_err_lo": 0.1 * value,
            f"{name}_err_hi": 0.12 * value,
        }
    for name in ("mean_rate", "delta_bic", "exposure", "qpo_p_value", "mjd_start"):
        columns[name] = rng.lognormal(0, 2, n)
    return columns


def models(rng, ids):
    """Return columns of MODELS and of PARAMETERS."""
    n = 3 * len(ids)
    every = {"source_id": np.repeat(ids, 3), "product": ["events"] * n}
    fitted = every | {"model": np.tile(MODEL_NAMES, len(ids)), "status": ["ok"] * n}
    fitted |= {"best": np.tile([False, False, True], len(ids)), "bic": rng.normal(300, 30, n)}
    n = 10 * len(ids)
    every = {"source_id": np.repeat(ids, 10), "product": ["events"] * n, "best": np.ones(n, bool)}
    named = [f"parameter_{k}" for k in range(10)] * len(ids)
    values = {"model": ["power_law_qpo"] * n, "component": ["lorentzian.1"] * n, "parameter": named}
    return fitted, every | values | {"value": rng.lognormal(0, 1, n)}


def curves(rng, ids):
    """Return columns of CURVES."""
    n, edges = len(ids), np.geomspace(0.01, 128, BINS + 1)
    power = rng.gamma(16, 1 / 16, (n, BINS)) * (0.1 + 1 / edges[:-1])
    return {
        "source_id": ids,
        "product": ["events"] * n,
        "model": ["power_law"] * n,
        "norm": ["frac"] * n,
        "components": [["constant.1", "power_law.1"]] * n,
        "frequency_lo": np.tile(edges[:-1], (n, 1)),
        "frequency_hi": np.tile(edges[1:], (n, 1)),
        "power": power,
        "power_err": power / 4,
        "component_power": np.tile(np.concatenate([0.1 + 0 * edges[1:], 1 / edges[:-1]]), (n, 1)),
    }


def write_catalogue(folder, n_sources):
    """Write the catalogue, the list of one shard, and its curves."""
    rng = np.random.default_rng(7)
    tables = {SOURCES: "sources", MODELS: "models", PARAMETERS: "parameters"}
    tables |= {OBSERVATIONS: "observations"}
    catalogue = folder / "catalog"
    catalogue.mkdir(parents=True)
    writers = {
        table: pq.ParquetWriter(catalogue / f"{name}.parquet", stored_schema(table))
        for table, name in tables.items()
    }
    for first in range(0, n_sources, GROUP):
        ids = [f"SIM {k:09d}" for k in range(first, min(first + GROUP, n_sources))]
        fitted, parameters = models(rng, ids)
        files = {
            "source_id": ids,
            "file": [f"{one}.evt" for one in ids],
            "status": ["ok"] * len(ids),
        }
        batches = {SOURCES: sources(rng, ids), MODELS: fitted, PARAMETERS: parameters}
        for table, columns in (batches | {OBSERVATIONS: files}).items():
            data = columns_to_arrow(table, columns).cast(stored_schema(table))
            writers[table].write_table(data)
    for writer in writers.values():
        writer.close()
    for table, name in ((REJECTED, "rejected"), (SAMPLES, "samples")):
        write_parquet(catalogue / f"{name}.parquet", table, [])
    record = {"finished": "2026-01-01T00:00:00+00:00", "pipeline": {"version": "0"}, "formats": {}}
    record |= {"configuration": {"archive": "archive"}, "inputs": {"files": n_sources}}
    (catalogue / "provenance.json").write_text(json.dumps(record))
    (folder / "plan").mkdir()
    (folder / "plan" / "shard-0000.tsv").write_text("source_id\nSIM\n")
    with parquet_writer(folder / "fit" / "shard-0000.curves.parquet", CURVES) as write:
        for first in range(0, min(int(1.1 * SHOWN), n_sources), 1000):
            last = min(first + 1000, n_sources)
            write(curves(rng, [f"SIM {k:09d}" for k in range(first, last)]))


STEPS = """
const start = performance.now();
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const ready = () => document.documentElement.dataset.ready && !document.querySelector("tbody[aria-busy]");
const done = async () => { while (!ready()) await wait(5); };
const timed = async (act) => { const from = performance.now(); act(); await done(); return Math.round(performance.now() - from); };
window.addEventListener("load", async () => {
  await done();
  const times = { open: Number(document.documentElement.dataset.ready) };
  const input = document.querySelector("input[type=search]");
  times.open_a_source = await timed(() => document.querySelector("tr.row").click());
  times.sort = await timed(() => document.querySelectorAll(".list th")[6].click());
  times.search = await timed(() => { input.value = "7654"; input.dispatchEvent(new Event("input")); });
  times.search_again = await timed(() => { input.value = "xmm 99"; input.dispatchEvent(new Event("input")); });
  times.found = document.querySelector(".count").textContent;
  console.log(`TIMES${JSON.stringify(times)}END`);
});
"""


def opened(page):
    """Return the milliseconds that Chromium takes to open the page and to work with it, None without Chromium."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        return None
    tested = page.with_name("tested.html")
    tested.write_text(
        page.read_text(encoding="utf-8").replace("</body>", f"<script>{STEPS}</script></body>"),
        encoding="utf-8",
    )
    told = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr")
    port = "--remote-debugging-port=0"  # else it ends when the page is loaded
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *told, port, f"--user-data-dir={profile}", tested.as_uri()]
        child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
        alarm = threading.Timer(PATIENCE, child.terminate)
        alarm.start()
        found = next(filter(None, (re.search("TIMES(.*)END", line) for line in child.stderr)), None)
        alarm.cancel()
        child.terminate()
        child.wait()
    tested.unlink()
    return json.loads(found[1].replace('\\"', '"')) if found else None


def main():
    """Print the line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, help="folder in which the report stays")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = told.keep or Path(name)
        if not (folder / "catalog").is_dir():
            write_catalogue(folder, told.sources)
        page = folder / "report" / "index.html"
        start = time.perf_counter()
        usage = measure(
            [
                *(sys.executable, "-m", "pipeline", "report", f"--output={page}"),
                *(f"--{one}={folder / one}" for one in ("catalog", "plan", "fit")),
            ]
        )
        files = list((page.parent / "data").iterdir())
        report(
            "report",
            f"page of {told.sources} sources, {SHOWN} of them with their spectrum",
            "CPU s",
            usage.cpu,
            ms_a_source=1e3 * usage.cpu / told.sources,
            wall=time.perf_counter() - start,
            peak_mb=max(usage.peaks.values()) >> 20,
            index_mb=page.stat().st_size / 1e6,
            data_mb=sum(one.stat().st_size for one in files) / 1e6,
            files=len(files),
            milliseconds=opened(page),
        )


if __name__ == "__main__":
    main()
