"""Solar-like stars: whether the error of nu_max covers, and the published nu_max of three stars of Kepler.

Simulated stars (`pipeline.simulate.stars`) of 30 days in bins of 3 %, with what `fit.lines: cut` leaves of them. The real
stars go through `config/examples/solar_like.yaml`, from files to catalogue. The folder with the data is ../shared/data, or
the first argument; without it there are simulated stars only.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import report

from pipeline import tables
from pipeline.columns.fits import MODELS, PARAMETERS
from pipeline.config.survey import load
from pipeline.fit import fit_spectra
from pipeline.fit.model.model import Model
from pipeline.fit.tables.lines import alone
from pipeline.simulate.stars import in_bins, periodogram
from pipeline.times import DAY

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "config" / "examples" / "solar_like.yaml"
PUBLISHED = {"1435467": (1382.0, 9.0), "2309595": (643.0, 9.0), "6117517": (120.27, 0.23)}
"""nu_max and its error, uHz."""
STARS, DAYS = 300, 30.0


def coverage() -> dict:
    """Return how often errors of nu_max hold the true one, and how far off fits are."""
    rng, true, spectra = np.random.default_rng(7), [], []
    for _ in range(STARS):
        nu_max, *drawn = periodogram(rng, days=DAYS)
        true.append(nu_max)
        spectra.append(in_bins(*drawn, 0.03))
    x, y, n = (np.array(a) for a in zip(*spectra, strict=True))
    cut = np.array([alone(*each) for each in spectra])
    model = Model.from_components("star", load(EXAMPLE).fit.models["solar_like"])
    told = {"width": n / (DAYS * DAY), "bin_average": True, "errors": "sandwich"}
    start = time.perf_counter()
    found = fit_spectra(model, y, x, n=np.where(cut, 0, n), **told)["envelope.1.nu_max"]
    seconds = time.perf_counter() - start
    off = found.value - np.array(true)
    covered = np.where(off > 0, off < found.err_lo, -off < found.err_hi)
    return {
        "seconds": seconds,
        "covered": float(covered.mean()),
        "covered_error": float(np.sqrt(0.683 * 0.317 / STARS)),
        "mean_pull": float((off / found.err_hi).mean()),
        "largest_ratio": float(np.exp(np.abs(np.log(found.value / true)).max())),
        "median_error": float(np.median(found.err_hi / found.value)),
        "bins_cut": int(cut.sum()),
    }


def survey(data, directory) -> list[dict]:
    """Run the example, and return each spectrum's model and nu_max, uHz, beside the published one."""
    command = [sys.executable, "-m", "pipeline", "run", "--config", EXAMPLE]
    command += ["--archive", data / "timeseries" / "kepler", "--directory", directory]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    folder = Path(directory) / "results" / "catalog"
    models, parameters = (
        tables.rows_of(tables.read_parquet(folder / f"{name}.parquet", table))
        for name, table in (("models", MODELS), ("parameters", PARAMETERS))
    )
    out = []
    for row in models:
        if not row["best"]:
            continue
        of = (row["source_id"], row["product"])
        nu_max = [
            p
            for p in parameters
            if p["best"] and (p["source_id"], p["product"]) == of and p["parameter"] == "nu_max"
        ]
        line = {"star": of[0], "product": of[1], "model": row["model"], "status": row["status"]}
        if nu_max:
            value, lo, hi = (1e6 * nu_max[0][name] for name in ("value", "err_lo", "err_hi"))
            known, error = PUBLISHED[of[0].removeprefix("KIC").strip()]
            sigmas = (value - known) / np.hypot(lo if value > known else hi, error)
            line |= {"nu_max": value, "err_lo": lo, "err_hi": hi, "sigmas": sigmas}
        out.append(line)
    return out


def main():
    """Print a line for simulated stars and one for each product of the real ones."""
    found = coverage()
    report(
        "solar_like",
        f"{STARS} simulated stars of {DAYS:g} days in bins of 3 %, granulation + envelope",
        "covered",
        found.pop("covered"),
        **found,
    )
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data"
    if not data.is_dir():
        print(f"solar_like: {data} is not a folder; no real stars", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as directory:
        for line in survey(data, directory):
            ours = line.pop("nu_max", None)
            report("solar_like", "KIC stars, archive to catalogue", "uHz", ours, **line)


if __name__ == "__main__":
    main()
