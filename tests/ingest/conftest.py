"""Small FITS files with one peculiarity each."""

import gzip
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pipeline.columns.observations import OBSERVATIONS
from pipeline.config.archive import SourceOptions
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import IngestOptions
from pipeline.ingest import plan_driver
from pipeline.ingest.archive.walk import list_folder
from pipeline.ingest.files.fits_file import sha256
from pipeline.ingest.plan.complete import complete
from pipeline.ingest.plan.scan import scan_file
from pipeline.ingest.plan.shard import Entry
from pipeline.ingest.read.reader import read_products
from pipeline.tables import read_parquet, rows_of

NICER = {
    "TELESCOP": "NICER",
    "INSTRUME": "XTI",
    "OBS_ID": "1050010101",
    "OBJECT": "GRS 1915+105",
    "MJDREFI": 56658,
    "MJDREFF": 0.000777592592592593,
    "TIMESYS": "TDB",
    "TIMEREF": "SOLARSYSTEM",
    "TIMEUNIT": "s",
}


def table(name, columns, header=None):
    """A table from ``{"NAME": values}`` or ``{"NAME": (values, unit)}``."""
    made = []
    for column, values in columns.items():
        values, unit = values if isinstance(values, tuple) else (values, None)
        values = np.asarray(values)
        code = {"f8": "D", "f4": "E", "i4": "J", "i8": "K", "i2": "I"}[values.dtype.str[1:]]
        cell = f"{int(np.prod(values.shape[1:]))}{code}" if values.ndim > 1 else code
        made.append(fits.Column(column, cell, unit=unit, array=values))
    return fits.BinTableHDU.from_columns(made, header=_header(header), name=name)


def gti(intervals, header=None, name="GTI"):
    """A table of good time intervals from pairs of start and stop."""
    start, stop = np.asarray(intervals, dtype=float).T
    return table(name, {"START": (start, "s"), "STOP": (stop, "s")}, header)


def _header(cards):
    header = fits.Header()
    header.update(cards or {})
    return header


class Archive:
    """A folder of test files, and what becomes of them."""

    def __init__(self, root: Path):
        self.root = root

    def add(self, file, *hdus, primary=None, compress=False):
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fits.HDUList([fits.PrimaryHDU(header=_header(primary)), *hdus]).writeto(content)
        data = content.getvalue()
        path.write_bytes(gzip.compress(data, mtime=0) if compress else data)
        return path

    def events(self, file="a.evt", time=(1.0, 2.0, 3.0), header=None, intervals=((0.0, 10.0),)):
        events = table("EVENTS", {"TIME": (np.asarray(time, float), "s")}, NICER | (header or {}))
        return self.add(file, events, gti(intervals))

    def listed(self, file):
        """The file as the walk through the folder lists it."""
        (listed,) = (one for one in list_folder(self.root) if one.file == file)
        return listed

    def found(self, file, **options):
        """What a first look at a file finds, with its checksum."""
        found = scan_file(self.listed(file), self.root, IngestOptions(**options))
        found.sha256 = sha256(self.root / file)
        return found

    def scan(self, file, **options):
        """The row of a file before the archive as a whole is looked at."""
        return self.found(file, **options).row()

    def complete(self, group_by="observation", **options):
        """All files of the archive, by their paths."""
        files = sorted(
            p.relative_to(self.root).as_posix() for p in self.root.rglob("*") if p.is_file()
        )
        found = complete([self.found(file, **options) for file in files], group_by)
        return {one.file: one for one in found}

    def observations(self, group_by="observation", **options):
        """The rows of OBSERVATIONS, by their files."""
        return {file: one.row() for file, one in self.complete(group_by, **options).items()}

    def entry(self, file, **options):
        """The line of a plan for a file."""
        return Entry.of_found(self.complete(**options)[file])

    def plan(self, folder, shards=3, cache=None, group_by="observation", **options):
        """Plan the archive into a folder, and return the rows of OBSERVATIONS."""
        plan_driver.run(
            archive=self.root,
            observations=folder / "observations.parquet",
            plan=folder / "plan",
            cache=cache,
            options=IngestOptions(**options),
            source=SourceOptions(group_by=group_by),
            cluster=ClusterOptions(workers=2, patience=0.0),
            shards=shards,
        )
        return rows_of(read_parquet(folder / "observations.parquet", OBSERVATIONS))

    def read(self, file, **options):
        """The first row of INGEST of a file."""
        return self.rows(file, **options)[0]

    def products(self, file, **options):
        """All rows of a file, which must have data."""
        rows = self.rows(file, **options)
        assert {row["status"] for row in rows} == {"ok"}, rows[0]["reason"]
        return rows

    def rows(self, file, **options):
        """The rows of INGEST of a file."""
        entry = self.entry(file, **options)
        assert entry.status == "ok", entry.reason
        return [one.row() for one in read_products(entry, self.root, IngestOptions(**options))]


@pytest.fixture
def archive(tmp_path):
    root = tmp_path / "archive"
    root.mkdir()
    return Archive(root)


@pytest.fixture
def filled(archive):
    """An archive of six observations, one that is cut short, and a page."""
    for number in range(6):
        archive.events(f"{number}.evt", time=[1.0 + number], header={"OBS_ID": f"10{number}"})
    (archive.root / "page.fits").write_bytes(b"<html></html>")
    cut = archive.events("cut.evt", time=range(1000), header={"OBS_ID": "200"})
    cut.write_bytes(cut.read_bytes()[:9000])
    return archive


@pytest.fixture(scope="session")
def make():
    """The two makers of tables, for tests cannot import this file."""

    class Make:
        nicer = NICER

    Make.table, Make.gti = staticmethod(table), staticmethod(gti)
    return Make


@pytest.fixture(scope="session")
def shared():
    """The folder of real data beside the repository."""
    folder = Path(__file__).resolve().parents[3] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real data beside this checkout (../shared/data)")
    return folder
