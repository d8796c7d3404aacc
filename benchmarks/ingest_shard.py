"""What the job `ingest` costs for each file, over many event lists of one size, and its peak memory.

The event lists are as of NICER (16-bit channels, one good time interval, a seed for each file), in the page cache. The
command runs as a process of its own; processor seconds are those of all its processes. The cost of a file is the slope
between a shard of some of the files and a shard of all: what the start of the job and its workers costs is not in it.
Memory is the peak of the largest process, for both shards. The floor does in one process what has to be done with the
bytes: read, SHA-256, decode the column of times, write it as Parquet.

    python benchmarks/ingest_shard.py [--files 1000] [--events 2000] [--workers 1]
"""

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _common import report
from astropy.io import fits

from pipeline.config.archive import SourceOptions
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import IngestOptions
from pipeline.ingest import plan_driver
from pipeline.simulate.dialects import Target, event_list

SECONDS, FEW = 1024.0, 10


def make(archive, files, events):
    """Write the event lists: one with Astropy, the others with its bytes and times and names of their own."""
    start = 1.4e8
    target = Target("SIM", 10.0, 10.0, "0" * 10)
    hdus = event_list(
        target,
        start + np.zeros(events),
        np.zeros(events, int),
        np.array([[start, start + SECONDS]]),
    )
    path = archive / "template.evt"
    hdus.writeto(path)
    with fits.open(path) as written:
        at = written[1].fileinfo()["datLoc"]
    content = path.read_bytes()
    path.unlink()
    rows = np.empty(events, [("time", ">f8"), ("pi", ">i2")])
    for number in range(files):
        rng = np.random.default_rng(number)
        rows["time"] = start + np.sort(rng.uniform(0, SECONDS, events))
        rows["pi"] = rng.integers(30, 1000, events)
        name = b"%010d" % (number + 1)
        data = content[:at] + rows.tobytes() + content[at + rows.nbytes :]
        (archive / f"{number:06}.evt").write_bytes(data.replace(b"0" * 10, name))
    return len(content), at


def plan(archive, work):
    """Plan the archive as one shard, and return its list."""
    plan_driver.run(
        archive=archive,
        observations=work / "observations.parquet",
        plan=work / "plan",
        cache=None,
        options=IngestOptions(),
        source=SourceOptions(),
        cluster=ClusterOptions(workers=1),
        shards=1,
    )
    return work / "plan" / "shard-0000.tsv"


def processor_seconds(who):
    """Return the processor time of this process, or of its children that have ended."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


JOB = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stderr=subprocess.DEVNULL)
_, status, used = os.wait4(process.pid, 0)
print(json.dumps([status, used.ru_utime + used.ru_stime, 1024 * used.ru_maxrss]))
"""


def job(archive, listed, output, workers):
    """Run the command, and return its processor seconds, wall seconds, peak memory in bytes, and the size of its output."""
    command = [sys.executable, "-m", "pipeline", "ingest", "--archive", archive, "--plan", listed]
    command += ["--output", output, "--cluster", json.dumps({"workers": workers})]
    begin = time.perf_counter()
    # from a small process: the peak of a process begins with that of the process that starts it
    said = subprocess.run([sys.executable, "-c", JOB, *command], stdout=subprocess.PIPE, check=True)
    status, used, peak = json.loads(said.stdout)
    if status:
        raise SystemExit(f"the command failed: {status}")
    return used, time.perf_counter() - begin, peak, output.stat().st_size


def floor(archive, events, at):
    """Return the processor seconds in which the least is done with the bytes of all files."""
    begin = processor_seconds(resource.RUSAGE_SELF)
    schema = pa.schema([("time", pa.list_(pa.float64()))])
    kind = np.dtype([("time", ">f8"), ("pi", ">i2")])
    for path in sorted(archive.iterdir()):
        content = path.read_bytes()
        hashlib.sha256(content).hexdigest()
        times = np.frombuffer(content, kind, events, at)["time"].astype(float)
        sink = pa.BufferOutputStream()
        encoding = {"use_dictionary": False, "use_byte_stream_split": ["time.list.element"]}
        with pq.ParquetWriter(sink, schema, compression="zstd", **encoding) as writer:
            offsets = np.array([0, events], "i4")
            cells = pa.ListArray.from_arrays(offsets, times - times[0])
            writer.write_table(pa.table([cells], schema=schema))
    return processor_seconds(resource.RUSAGE_SELF) - begin


def main():
    """Print a line for the processor time of a file, and one for memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        archive, work = Path(name) / "archive", Path(name)
        archive.mkdir()
        size, at = make(archive, given.files, given.events)
        listed = plan(archive, work)
        lines = listed.read_text().splitlines(keepends=True)
        short = work / "short.tsv"
        short.write_text("".join(lines[: 1 + given.files // FEW]))
        few = job(archive, short, work / "few.parquet", given.workers)
        all_ = job(archive, listed, work / "all.parquet", given.workers)
        more = given.files - given.files // FEW
        report(
            "ingest_shard",
            f"{given.files} event lists of {size} bytes, {given.events} events",
            "ms of processor a file",
            1e3 * (all_[0] - few[0]) / more,
            floor=1e3 * floor(archive, given.events, at) / given.files,
            floor_name="read, SHA-256, times decoded, one column of Parquet",
            start_seconds=few[0] - (all_[0] - few[0]) / more * (given.files - more),
            wall_seconds=all_[1],
            bytes_stored=all_[3] / given.files,
            workers=given.workers,
        )
        report(
            "ingest_shard",
            f"peak memory of the largest process, {given.files} files of {size} bytes",
            "bytes",
            all_[2],
            floor=few[2],
            floor_name=f"with {given.files // FEW} files",
        )


if __name__ == "__main__":
    main()
