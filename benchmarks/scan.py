"""Scanning an archive: files a second when it is new, and when nothing has changed since.

An archive of FITS event lists (an argument says how many, 100,000 else), each 1 MB of which only the
headers are on disk, in folders of 1,000. The first scan looks at the headers of each on all cores, the second
one finds every file in the cache; `opened` counts the files of the archive that the process of the second
opened. The peer is Astropy in a loop that opens a file and takes the keywords of its HDUs; the floor of the second
scan is to list the folders and ask for the size and time of each file.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _common import report
from astropy.io import fits

from pipeline.config.archive import SourceOptions
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import IngestOptions
from pipeline.ingest import plan_driver

FILES, FOLDER, ROWS, SAMPLE = 100_000, 1000, 65_536, 1000


def template():
    """Return the headers of an event list and of its good time intervals, and the size between."""
    time_column = fits.Column("TIME", "D", "s", array=np.empty(0))
    pi_column = fits.Column("PI", "J", array=np.empty(0))
    events = fits.BinTableHDU.from_columns([time_column, pi_column], name="EVENTS")
    events.header["NAXIS2"] = ROWS
    gti = fits.BinTableHDU.from_columns(
        [fits.Column(name, "D", "s", array=np.empty(0)) for name in ("START", "STOP")], name="GTI"
    )
    for hdu in (events, gti):
        hdu.header.update(
            {"TELESCOP": "NICER", "INSTRUME": "XTI", "MJDREFI": 56658, "MJDREFF": 0.0}
        )
        hdu.header.update({"OBS_ID": "0" * 10, "OBJECT": "SIM", "TSTART": 0.0, "TSTOP": 1e4})
    head = (fits.PrimaryHDU().header.tostring() + events.header.tostring()).encode()
    data = -(-ROWS * 12 // 2880) * 2880
    return head, gti.header.tostring().encode(), data


def make(archive, count):
    """Write an archive."""
    head, tail, gap = template()
    for number in range(count):
        if number % FOLDER == 0:
            folder = archive / f"{number // FOLDER:04}"
            folder.mkdir(parents=True)
        name = b"%010d" % number
        with open(folder / f"{number:07}.evt", "wb") as file:
            file.write(head.replace(b"0" * 10, name))
            file.seek(len(head) + gap)
            file.write(tail.replace(b"0" * 10, name))


def scan(archive, work):
    """Plan the archive, and return the seconds it took."""
    start = time.perf_counter()
    plan_driver.run(
        archive=archive,
        observations=work / "observations.parquet",
        plan=work / "plan",
        cache=work / "scan.parquet",
        options=IngestOptions(),
        source=SourceOptions(),
        cluster=ClusterOptions(),
        shards=64,
    )
    return time.perf_counter() - start


def loop(files):
    """Return the seconds in which Astropy takes the keywords of all HDUs of files, one by one."""
    start = time.perf_counter()
    for file in files:
        with fits.open(file) as hdus:
            _ = [dict(hdu.header) for hdu in hdus]
    return time.perf_counter() - start


def stat(archive):
    """Return the seconds in which every file is asked for its size."""
    start = time.perf_counter()
    for folder in os.scandir(archive):
        for entry in os.scandir(folder.path):
            entry.stat()
    return time.perf_counter() - start


def main():
    """Print a line for the first scan and one for the second."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else FILES
    opened = []

    def watch(event, arguments):
        if event == "open" and str(arguments[0]).endswith(".evt"):
            opened.append(arguments[0])

    sys.addaudithook(watch)
    with tempfile.TemporaryDirectory() as name:
        archive, work = Path(name) / "archive", Path(name) / "work"
        make(archive, count)
        sample = sorted(archive.rglob("*.evt"))[: min(SAMPLE, count)]
        peer = len(sample) / loop(sample)
        first = scan(archive, work)
        report(
            "scan",
            f"{count} new event lists of 1 MB, headers only",
            "files/s",
            count / first,
            peer=peer,
            peer_name="astropy.io.fits.open in a loop, one core",
            seconds=first,
        )
        opened.clear()
        second = scan(archive, work)
        report(
            "scan",
            f"{count} event lists, nothing changed",
            "files/s",
            count / second,
            floor=count / stat(archive),
            floor_name="os.scandir and stat",
            seconds=second,
            opened=len(opened),
        )


if __name__ == "__main__":
    main()
