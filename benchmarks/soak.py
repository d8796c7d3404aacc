"""Survey after survey in one folder, over an archive that changes while they run, with kills in between.

Files are added, replaced, removed, damaged, mended and renamed, before and during each run, and every few runs are killed
(-9) at a random moment and resumed. Memory, open files and threads of each kind of process, temporary files and what
Snakemake keeps are noted for each run, and a line is fitted to them: its slope has to be zero within three errors, or so
small that it is nothing in a day. At the end the catalogue has to be that of a fresh survey of the archive.

    python benchmarks/soak.py [--hours 1] [--seed 1] [--cache FOLDER]
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
from _common import hardware
from _fault import TEMPORARY, last_line
from _faults_processes import SECONDS, victims
from _survival import (
    STAGES,
    Place,
    archive_files,
    catalogue,
    differences,
    event_list,
    light_curve,
)

from pipeline.simulate.mutate import mutate

EVERY = 3
"""Runs of which one is killed."""
KINDS = (
    ("multiprocessing", "worker"),
    ("-m snakemake", "snakemake"),
    ("pipeline.service", "service"),
    ("-m pipeline r", "command"),
    ("-m pipeline ", "client of a job"),
)
"""Part of a command line, and the kind of process that has it."""


class Archive:
    """An archive that is changed at random."""

    def __init__(self, folder, seed):
        self.folder, self.random = folder, random.Random(seed)
        self.generator = np.random.default_rng([20, seed])
        self.number, self.done = 1000, Counter()
        for path, data in archive_files().items():
            self._write(path, data)

    def change(self):
        """Make one change."""
        files = sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*.fits*"))
        kinds = ["add", "replace", "damage", "rename", "mend", "remove"]
        kind = self.random.choice(kinds[:5] if len(files) < 12 else kinds)
        if len(files) > 24:
            kind = "remove"
        getattr(self, f"_{kind}")(files)
        self.done[kind] += 1

    def _write(self, path, data):
        """Write a file at once, as a transfer that is finished."""
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.folder.with_name("transfer")
        temporary.write_bytes(data)
        temporary.replace(path)

    def _new(self, name):
        self.number += 1
        make = event_list if self.random.random() < 0.3 else light_curve
        return make(name, self.number)

    def _add(self, files):
        self._write(f"new/{self.number}.fits", self._new(f"SOURCE {self.random.randrange(40)}"))

    def _replace(self, files):
        self._write(self.random.choice(files), self._new(f"SOURCE {self.random.randrange(40)}"))

    def _remove(self, files):
        (self.folder / self.random.choice(files)).unlink()

    def _damage(self, files):
        """Damage a file in place, as a transfer that goes wrong."""
        path = self.folder / self.random.choice(files)
        path.write_bytes(mutate(path.read_bytes(), self.generator)[0])

    def _mend(self, files):
        for path, data in self.random.sample(sorted(archive_files().items()), 2):
            self._write(path, data)

    def _rename(self, files):
        old = self.folder / self.random.choice(files)
        new = self.folder / f"moved/{self.random.randrange(10**6)}.fits"
        new.parent.mkdir(exist_ok=True)
        old.rename(new)


class Watch:
    """Notes the largest memory, number of open files and of threads of each kind of process, until it is stopped."""

    def __init__(self, place):
        self.place, self.largest, self.ended = place, defaultdict(int), threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def stop(self):
        """Return what was noted, by kind of process and quantity."""
        self.ended.set()
        self.thread.join()
        return dict(self.largest)

    def _watch(self):
        while not self.ended.wait(1.0):
            processes = self.place.processes()
            jobs = self.place.jobs(processes)
            for pid, line in processes.items():
                kind = next((name for part, name in KINDS if part in line), "other")
                if pid in jobs and kind == "service":
                    kind = jobs[pid]
                for what, value in _about(pid).items():
                    name = f"{kind}: {what}"
                    self.largest[name] = max(self.largest[name], value)


def _about(pid):
    """Return memory in MB, open files and threads of a process; nothing where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return {}
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    if "VmRSS" not in fields:
        return {}
    return {
        "RSS (MB)": int(fields["VmRSS"].split()[0]) / 1024,
        "open files": files,
        "threads": int(fields["Threads"]),
    }


def disturbed(place, archive, is_killed):
    """Run the survey while the archive changes, killed or not, and return how it ended and what was noted."""
    for _ in range(archive.random.randrange(1, 4)):
        archive.change()
    process, watch = place.start("run"), Watch(place)
    stage = archive.random.choice(STAGES)
    until = time.monotonic() + archive.random.uniform(0, 20)
    changes = archive.random.randrange(1, 4)
    while process.poll() is None:
        if changes and time.monotonic() > until:
            archive.change()
            changes -= 1
        if is_killed and stage in place.jobs().values():
            time.sleep(archive.random.uniform(0, SECONDS[stage]))
            place.kill(victims(place, process, archive.random.choice(("all", "parents", "job"))))
            is_killed = False
        time.sleep(0.2)
    ended = place.end(process)
    place.left()
    return ended, watch.stop()


def left(place):
    """Return how many temporary files there are, and files in all but Snakemake's log of each run."""
    files = place.files()
    own = [path for path in files if path.startswith("tmp/") or TEMPORARY.search(path)]
    kept = [path for path in place.survey.rglob("*") if path.is_file()]
    logs = sum(".snakemake/log/" in str(path) for path in kept)
    return {"temporary files": len(own), "files of the survey": len(kept) - logs}


def slope(hours, values):
    """Return the slope of a line through values, an hour, and its error."""
    if len(values) < 4 or np.ptp(values) == 0:
        return 0.0, 0.0
    coefficients, covariance = np.polyfit(hours, values, 1, cov=True)
    return float(coefficients[0]), float(np.sqrt(covariance[0, 0]))


def trends(noted):
    """Return a line for each quantity: its mean, slope an hour and error, and whether it is flat."""
    found = []
    for name in sorted({name for _, values in noted for name in values}):
        points = [(hour, values[name]) for hour, values in noted if name in values]
        hours, values = np.array(points).T
        value, error = slope(hours, values)
        mean = float(values.mean())
        flat = value <= max(3 * error, 0.005 * mean, 0.01) or len(points) < 6
        found.append(
            {
                "quantity": name,
                "runs": len(points),
                "mean": round(mean, 1),
                "largest": round(float(values.max()), 1),
                "slope_per_hour": round(value, 2),
                "error": round(error, 2),
                "flat": bool(flat),
            }
        )
    return found


def finish(place, tries=3):
    """Run the survey over the archive as it is now, until it ends well."""
    for _ in range(tries):
        ended = place.run()
        if not ended.code:
            break
    return ended


def main():
    """Run for hours, and print figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="folder of compiled programs that is kept")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    cache = arguments.cache or folder / "cache"
    cache.mkdir(mode=0o700, exist_ok=True)
    place = Place(folder / "place", cache)
    archive, begun = Archive(place.archive, arguments.seed), time.monotonic()
    noted, codes, tracebacks = [], Counter(), 0
    try:
        while (hours := (time.monotonic() - begun) / 3600) < arguments.hours:
            is_killed = len(noted) % EVERY == EVERY - 1
            ended, values = disturbed(place, archive, is_killed)
            codes[f"{ended.code}{' (killed)' * is_killed}"] += 1
            tracebacks += "Traceback" in ended.output
            if not is_killed:  # what a killed run leaves, the next one sweeps
                values |= left(place)
            noted.append((hours, values))
            line = {"benchmark": "soak", "run": len(noted), "hours": round(hours, 3), "exit": ended.code}  # fmt: skip
            print(json.dumps({**line, "killed": is_killed, "said": last_line(ended.output), **left(place)}), flush=True)  # fmt: skip
        return report(place, archive, noted, codes, tracebacks)
    finally:
        place.kill(place.processes())
        shutil.rmtree(folder, ignore_errors=True)


def report(place, archive, noted, codes, tracebacks):
    """Compare with a fresh survey, print the figures, and return the exit code."""
    ended = finish(place)
    old = catalogue(place)
    leftover = left(place)
    shutil.rmtree(place.survey)
    place.survey.mkdir()
    fresh = finish(place)
    lost, more, wrong = differences(catalogue(place), old)
    found = trends(noted)
    for line in found:
        print(json.dumps({"benchmark": "soak", **line}))
    is_equal = not (lost or more or wrong or ended.code or fresh.code)
    print(
        json.dumps(
            {
                "benchmark": "soak",
                "hours": round(noted[-1][0], 2),
                "runs": len(noted),
                "exit_codes": dict(codes),
                "tracebacks": tracebacks,
                "changes": dict(archive.done),
                "rows": {name: len(rows) for name, rows in old.items()},
                "rows_lost": len(lost),
                "rows_more": len(more),
                "rows_wrong": len(wrong),
                "first_differences": [*lost[:2], *more[:2], *wrong[:2]],
                "as_a_fresh_survey": is_equal,
                "not_flat": [line["quantity"] for line in found if not line["flat"]],
                **leftover,
                "hardware": hardware(),
            }
        )
    )
    return 0 if is_equal and all(line["flat"] for line in found) else 1


if __name__ == "__main__":
    sys.exit(main())
