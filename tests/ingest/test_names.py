"""Names of any bytes, and of any text, go through plan, ingest and segment, and stay apart."""

import os
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.spectra import SPECTRA
from pipeline.config.ingest import IngestOptions
from pipeline.config.segment import SegmentOptions
from pipeline.ingest.archive.walk import list_folder
from pipeline.ingest.missions import identity
from pipeline.ingest.plan import shard
from pipeline.ingest.plan.complete import complete
from pipeline.ingest.plan.found import columns
from pipeline.ingest.plan.scan import objects_in, scan_file
from pipeline.ingest.read.reader import read_products
from pipeline.segment.observation import Observations, observation
from pipeline.segment.products.power_spectra.rows import product_rows
from pipeline.tables import columns_to_arrow, rows_of, to_arrow

OPTIONS = IngestOptions()
PATIENT = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAME = (
    st.binary(min_size=1, max_size=60)
    .map(lambda name: name.replace(b"\0", b"0").replace(b"/", b"-"))
    .filter(lambda name: name not in (b".", b".."))
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@pytest.fixture(scope="module")
def content(tmp_path_factory, make):
    """An event list of 64 s."""
    from .conftest import Archive

    archive = Archive(tmp_path_factory.mktemp("content"))
    time = np.sort(np.random.default_rng(1).uniform(0, 64, 500))
    return Content(archive.events(time=time, intervals=[(0.0, 64.0)]).read_bytes())


class Content(bytes):
    """Bytes of which a failed test shows nothing."""

    def __repr__(self):
        return "Content()"


def through(root, work):
    """Take an archive through plan, ingest and segment; return the rows of each."""
    found = []
    for listed in list_folder(root):
        found += objects_in(scan_file(listed, root, OPTIONS), listed, root, OPTIONS)
    files = complete(found, "observation")
    rows_of(columns_to_arrow(OBSERVATIONS, columns(files)))
    entries = [one for one in files if one.source_id and one.status != "duplicate"]
    shard.write(work / "list.tsv", entries)
    planned = shard.read(work / "list.tsv")
    assert sorted(e.file for e in planned) == sorted(e.file for e in entries)
    read = [p.row() for e in planned if e.status == "ok" for p in read_products(e, root, OPTIONS)]
    readings = rows_of(to_arrow(INGEST, read))
    averaged = [
        row
        for one in readings
        for row in product_rows(Observations.held([observation(one)]), SegmentOptions())
    ]
    return files, readings, rows_of(to_arrow(SPECTRA, averaged))


@PATIENT
@given(st.lists(st.tuples(NAME, NAME), min_size=1, max_size=3, unique_by=lambda pair: pair[0]))
@example([(b"a\xff", b"x"), (rb"a\xff", b"x"), (rb"a\xff (not UTF-8)", b"x")])
@example([(b"\r", b"carriage\rret.fits"), (b"-rf", b"$(id)"), (b"{x}", b"%41#b?c")])
@example([(b"part", b"part"), (b"\xe2\x80\xa8", b"\x1b[31m"), (b" ", b"~")])
def test_files_may_have_names_of_any_bytes(tmp_path, content, pairs):
    root = tmp_path / "archive"
    shutil.rmtree(root, ignore_errors=True)
    for number, (folder, name) in enumerate(pairs):
        os.makedirs(os.path.join(os.fsencode(root), folder))
        with open(os.path.join(os.fsencode(root), folder, name), "wb") as file:
            file.write(content.replace(b"XTI", b"XT%d" % number))
    files, readings, averaged = through(root, tmp_path)
    assert len({one.file for one in files}) == len(files) == len(pairs)
    for one in files:
        assert one.status == "ok" or "its name is not UTF-8" in one.reason
    sound = {one.file for one in files if one.status == "ok"}
    assert {row["file"] for row in readings} == sound
    assert all(row["status"] == "ok" for row in [*readings, *averaged])
    assert len(averaged) == len(sound)


@PATIENT
@given(TEXT, TEXT, TEXT)
@example("\r", "\n", "\0")
@example("x" * 5000, "\U0001f600" * 200, "a/b#c")
@example("\ud800", "\udcff", "none")
def test_headers_may_name_things_as_they_like(tmp_path, content, one, other, third):
    """Text as an ECSV file may hold it: a header of FITS has ASCII only."""
    header = {"OBJECT": one, "OBS_ID": other, "INSTRUME": third, "TELESCOP": third}
    who = identity.identify(header, {})
    (listed, *_) = list_folder(_archive(tmp_path, content))
    found = scan_file(listed, tmp_path / "archive", OPTIONS)
    found.object, found.observation_id, found.mission = who.object, who.obs_id, who.mission
    (planned,) = complete([found], "object")
    shard.write(tmp_path / "list.tsv", [planned])
    (entry,) = shard.read(tmp_path / "list.tsv")
    assert (entry.source_id, entry.observation_id) == (planned.source_id, planned.observation_id)
    (row,) = rows_of(
        to_arrow(INGEST, [p.row() for p in read_products(entry, tmp_path / "archive", OPTIONS)])
    )
    assert (row["status"], row["source_id"]) == ("ok", planned.source_id)
    assert max(map(len, (row["source_id"], row["observation_id"]))) <= 2 * identity.LONGEST + 1


def _archive(tmp_path, content):
    root = tmp_path / "archive"
    root.mkdir(exist_ok=True)
    (root / "a.evt").write_bytes(content)
    return root
