"""What a survey makes of faults: each is injected into a small survey, which is then finished and compared with an undisturbed one.

A line of JSON for each fault: what is expected, what was seen, how many rows of the catalogue were lost (none may be) or
have other values, and `ok`; on standard error, what the commands wrote where a fault was not survived. A fault that this machine cannot have (some need root) is skipped, with the reason.

    python benchmarks/faults.py [--only NAME ...] [--table] [--list] [--inputs 10000]

`--only` takes names, their beginnings, or families. The exit code is the number of faults that were not survived.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import _faults_machine
import _faults_processes
import _faults_servers
import _faults_strangers
import _faults_tables
from _fault import seen
from _survival import Place, catalogue, write_archive

MODULES = (_faults_processes, _faults_machine, _faults_tables, _faults_strangers, _faults_servers)


class Bench:
    """An archive and an undisturbed survey of it, made once; each fault has a copy of them, at the same path."""

    def __init__(self, folder, cache):
        self.path, self.kept, self.cache = folder / "place", folder / "undisturbed", cache
        self.cache.mkdir(mode=0o700, exist_ok=True)
        place = Place(self.path, self.cache)
        write_archive(place.archive)
        ended = place.run()
        if ended.code:
            raise RuntimeError(f"the undisturbed survey fails:\n{ended.output}")
        place.left()
        self.old, self.files = catalogue(place), place.files()
        self.path.rename(self.kept)

    def place(self, finished):
        """Return a new place with a copy of the archive, and of the finished survey if it is asked for."""
        place = Place(self.path, self.cache)
        for name in ("archive", *(["survey"] if finished else ())):
            shutil.copytree(self.kept / name, self.path / name, dirs_exist_ok=True)
        return place

    def judge(self, fault):
        """Return the line of a fault."""
        line = {"benchmark": "faults", "family": fault.family, "fault": fault.name, "expected": fault.expected}  # fmt: skip
        if fault.skip:
            return {**line, "seen": f"skipped: {fault.skip}", "ok": None}
        place = self.place(fault.finished)
        try:
            found = seen(fault, place, self.old, self.files)
        except Exception as error:
            traceback.print_exc()
            return {**line, "seen": f"the benchmark itself failed: {error!r}", "ok": False}
        finally:
            place.remove()
        if found.problems:
            print(f"=== {fault.name}", *found.outputs, sep="\n", file=sys.stderr, flush=True)
        return {
            **line,
            "seen": found.text(),
            "sentence": found.sentence,
            "rows_lost": len(found.lost),
            "rows_wrong": len(found.wrong),
            "ok": not found.problems,
        }


def chosen(only, inputs):
    """Return the faults that are asked for, with a number of malformed files."""
    found = [fault for module in MODULES for fault in module.faults()]
    found += _faults_strangers.inputs(inputs)
    if not only:
        return found
    return [f for f in found if any(f.name.startswith(name) or f.family == name for name in only)]


def table(lines):
    """Return the lines as a table of Markdown, a row a family with all that went as expected, and one for each other."""
    rows = ["| fault | tried | as expected | rows lost | rows wrong |", "|---|---|---|---|---|"]
    for family in dict.fromkeys(line["family"] for line in lines):
        own = [line for line in lines if line["family"] == family and line["ok"] is not None]
        counts = [sum(line.get(key, 0) for line in own) for key in ("rows_lost", "rows_wrong")]
        good = sum(line["ok"] for line in own)
        rows.append(f"| {family} | {len(own)} | {good} | {counts[0]} | {counts[1]} |")
    bad = [line for line in lines if line["ok"] is False]
    if bad:
        rows += ["", "| fault | expected | seen |", "|---|---|---|"]
        rows += [f"| {one['fault']} | {one['expected']} | {one['seen']} |" for one in bad]
    return "\n".join(rows)


def main():
    """Inject the faults."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--inputs", type=int, default=10000, help="number of malformed files")
    parser.add_argument("--table", action="store_true", help="print a table at the end")
    parser.add_argument("--list", action="store_true", help="name the faults and end")
    parser.add_argument(
        "--folder", type=Path, help="where surveys are; default: a temporary folder"
    )
    parser.add_argument("--cache", type=Path, help="folder of compiled programs that is kept")
    arguments = parser.parse_args()
    faults = chosen(arguments.only, arguments.inputs)
    if arguments.list:
        for fault in faults:
            print(f"{fault.family:16} {fault.name:32} {fault.expected}")
        return 0
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(143)
    )  # what is mounted and runs is ended first
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir=arguments.folder))
    lines = []
    try:
        bench = Bench(folder, arguments.cache or folder / "cache")
        for fault in faults:
            lines.append(bench.judge(fault))
            print(json.dumps(lines[-1]), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.table:
        print(table(lines))
    return min(sum(line["ok"] is False for line in lines), 100)


if __name__ == "__main__":
    sys.exit(main())
