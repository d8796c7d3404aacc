"""A survey runs end to end, does again only what has to be done, and survives being killed.

The tests share one survey and are in the order of its life.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections import Counter

import pyarrow.parquet as pq
import pytest

from pipeline.columns.catalogue import REJECTED
from pipeline.columns.catalogue import SOURCES as SOURCES_TABLE
from pipeline.columns.fits import MODELS
from pipeline.columns.ingest import INGEST as INGEST_TABLE
from pipeline.columns.observations import OBSERVATIONS
from pipeline.config.survey import load
from pipeline.shards import shard_name, shard_of
from pipeline.stages import CATALOG, FIT, INGEST, PLAN, REPORT, SEGMENT
from pipeline.status import HAS_RESULT, Status
from pipeline.tables import read_parquet, rows_of
from pipeline.workflow import outputs

from .conftest import SOURCES, Workplace, light_curve

STAGES = ("ingest", "segment", "fit")
EVERY_JOB = sorted(
    ["plan", "catalog", "report", *(f"{s} {shard_name(i)}" for s in STAGES for i in range(2))]
)

COMPONENT = """
from pipeline.components import Component, Parameter

flicker = Component(
    "flicker",
    (Parameter("amplitude", "log", (1e-9, 1e9), "{power}", "Power density at 1 Hz."),),
    "amplitude f^-1.5",
    "none",
    function=lambda frequency, amplitude: amplitude * frequency**-1.5,
)
"""


@pytest.fixture(scope="module")
def first(workplace):
    """The first run of the survey, and the catalogue that it made."""
    run = workplace.run()
    assert run.code == 0, run.output
    return run, workplace.catalogue()


def rows(workplace, table):
    name = table.name.lower()
    return rows_of(read_parquet(workplace.results / "catalog" / f"{name}.parquet", table))


def test_the_first_run_runs_every_job_once(first):
    assert first[0].jobs == EVERY_JOB


def test_every_stage_has_written_the_tables_that_it_declares(first, workplace):
    survey, found = load(workplace.results / "survey.yaml"), set()
    shards = [shard_name(index) for index in range(survey.shards)]
    for stage in (PLAN, INGEST, SEGMENT, FIT, CATALOG, REPORT):
        for file in outputs(stage, survey).values():
            for shard in shards if file.per_shard else ("",):
                path = workplace.results.parent / file.pattern(survey).format(shard=shard)
                if file.table is None:
                    assert path.is_dir() if file.is_folder else path.is_file()
                else:
                    read_parquet(path, file.table)
                found.add(path)
    written = {path for path in workplace.results.rglob("*.parquet") if path.name[0] != "."}
    assert written <= found


def test_every_source_is_in_the_catalogue(first, workplace):
    sources = rows(workplace, SOURCES_TABLE)
    assert {source["object"] for source in sources} == set(SOURCES)
    assert all(Status(source["status"]) in HAS_RESULT for source in sources)


def test_red_noise_is_told_from_white_and_has_the_slope_put_in(first, workplace):
    for source in rows(workplace, SOURCES_TABLE):
        if source["object"].startswith("RED"):
            assert source["model"] == "red"
            assert abs(source["slope"] - 1.5) < 4 * source["slope_err_hi"]
        else:
            assert source["model"] == "noise"


def test_a_damaged_file_costs_itself(first, workplace):
    (rejected,) = rows(workplace, REJECTED)
    assert rejected["file"] == "xmm/cut.lc"
    assert rejected["status"] == Status.TRUNCATED
    assert rejected["reason"]
    assert len(rows(workplace, OBSERVATIONS)) == len(SOURCES) + 1


def test_the_run_ends_by_saying_where_the_results_are_and_what_they_are(first, workplace):
    output = first[0].output
    assert f"{workplace.results / 'catalog'}: catalog.fits, catalog.vot, sources.parquet" in output
    assert str(workplace.results / "report" / "index.html") in output
    assert "5 ok" in output


def test_running_again_runs_nothing(first, workplace):
    again = workplace.run()
    assert again.code == 0
    assert again.jobs == []
    assert workplace.catalogue() == first[1]


def test_a_new_title_makes_the_report_anew_and_nothing_else(first, workplace):
    run = workplace.run(report={"title": "It's <another> title"})
    assert run.jobs == ["report"]
    assert workplace.catalogue() == first[1]
    page = (workplace.results / "report" / "index.html").read_text(encoding="utf-8")
    assert "&lt;another&gt;" in page


def test_another_model_fits_every_shard_again_and_does_nothing_before(first, workplace):
    red = ["constant", {"power_law": {"slope": {"bounds": [0, 3]}}}]
    run = workplace.run(fit={"models": {"noise": ["constant"], "red": red}})
    assert run.code == 0, run.output
    assert run.jobs == [job for job in EVERY_JOB if job.split()[0] in ("fit", "catalog", "report")]


@pytest.mark.slow
def test_another_energy_band_reads_every_shard_again_and_looks_at_no_file_anew(first, workplace):
    run = workplace.run(ingest={"band": [2.0, 10.0]})
    assert run.code == 0, run.output
    assert run.jobs == [job for job in EVERY_JOB if job != "plan"]


def test_a_run_that_was_killed_is_resumed_to_the_same_catalogue(first, workplace):
    for file in sorted(workplace.results.rglob("*")):
        if file.is_file() and file.name not in (".lock", "survey.yaml"):
            file.unlink()
    killed = subprocess.Popen(
        workplace.command("run", "--config", str(workplace.configure())),
        env=workplace.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not list((workplace.results / "segment").glob("shard-*.parquet")):
        assert killed.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    busy = workplace.run("resume")
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    with open(workplace.results / ".lock") as lock:  # until its last process has ended
        fcntl.flock(lock, fcntl.LOCK_EX)
    assert busy.code == 2
    assert "a run is going on" in busy.output
    assert not (workplace.results / "catalog" / "catalog.fits").exists()

    resumed = workplace.run("resume")
    assert resumed.code == 0, resumed.output
    assert "plan" not in resumed.jobs
    assert len(resumed.jobs) < len(EVERY_JOB)
    assert workplace.catalogue() == first[1]


def test_tables_that_were_exchanged_or_altered_are_made_again_by_the_run_itself(first, workplace):
    exchanged = workplace.results / "segment" / "shard-0000.parquet"
    shutil.copy(exchanged.with_name("shard-0001.parquet"), exchanged)
    altered = workplace.results / "ingest" / "shard-0001.parquet"
    column = pq.read_metadata(altered).row_group(0).column(INGEST_TABLE.names.index("status"))
    content = bytearray(altered.read_bytes())
    content[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    altered.write_bytes(content)

    run = workplace.run("resume")
    assert run.code == 0, run.output
    assert f"{exchanged} is of segment shard-0001: it is made again" in run.output
    assert f"{altered} is damaged: it is made again" in run.output
    assert {"segment shard-0000", "ingest shard-0001"} <= set(run.jobs)
    assert {"plan", "ingest shard-0000"}.isdisjoint(run.jobs)
    assert workplace.catalogue() == first[1]
    assert not list(workplace.results.rglob("*.damaged"))


def test_a_new_file_runs_one_shard_of_each_stage(first, workplace):
    light_curve("RED D", 7).writeto(workplace.archive / "xmm" / "new.lc")
    run = workplace.run()
    assert run.code == 0, run.output
    stages = Counter(job.split()[0] for job in run.jobs)
    assert stages == dict.fromkeys(("plan", *STAGES, "catalog", "report"), 1)
    shard = shard_name(shard_of(rows_by_object(workplace)["RED D"]["source_id"], 2))
    assert {job.split()[1] for job in run.jobs if " " in job} == {shard}
    assert set(rows_by_object(workplace)) == {*SOURCES, "RED D"}


def test_a_file_taken_away_runs_one_shard_and_leaves_the_first_catalogue(first, workplace):
    (workplace.archive / "xmm" / "new.lc").unlink()
    run = workplace.run()
    assert Counter(job.split()[0] for job in run.jobs).most_common(1)[0][1] == 1
    assert workplace.catalogue() == first[1]


def test_a_changed_file_runs_its_shard_and_changes_its_source_alone(first, workplace):
    before = rows_by_object(workplace)
    light_curve("RED A", 8).writeto(workplace.archive / "xmm" / "REDA.lc", overwrite=True)
    run = workplace.run()
    assert run.code == 0, run.output
    shard = shard_name(shard_of(before["RED A"]["source_id"], 2))
    assert run.jobs == sorted(["plan", "catalog", "report", *(f"{s} {shard}" for s in STAGES)])
    after = rows_by_object(workplace)
    changed = {name for name in after if repr(after[name]) != repr(before[name])}
    assert changed == {"RED A"}


def test_a_shard_that_becomes_empty_loses_its_results_and_costs_no_job(first, workplace):
    before, catalogue = rows_by_object(workplace), workplace.catalogue()
    empty = shard_name(0)
    gone = {name for name, row in before.items() if shard_of(row["source_id"], 2) == 0}
    assert 0 < len(gone) < len(before)
    files = {name: workplace.archive / "xmm" / f"{name.replace(' ', '')}.lc" for name in gone}
    aside = {name: file.rename(workplace.folder / file.name) for name, file in files.items()}
    cut = workplace.archive / "xmm" / "cut.lc"  # a file of RED B
    if "RED B" in gone:
        cut.rename(workplace.folder / cut.name)
    run = workplace.run()
    assert run.code == 0, run.output
    assert run.jobs == ["catalog", "plan", "report"]
    assert set(rows_by_object(workplace)) == set(before) - gone
    assert not [p for stage in STAGES for p in (workplace.results / stage).glob(f"{empty}*")]

    for name, file in aside.items():
        file.rename(files[name])
    if "RED B" in gone:
        (workplace.folder / cut.name).rename(cut)
    run = workplace.run()
    assert run.code == 0, run.output
    assert run.jobs == sorted(["plan", "catalog", "report", *(f"{s} {empty}" for s in STAGES)])
    assert workplace.catalogue() == catalogue


def rows_by_object(workplace):
    return {row["object"]: row for row in rows(workplace, SOURCES_TABLE)}


@pytest.mark.slow
def test_a_component_of_a_user_is_found_beside_the_configuration_and_refits_when_it_changes(
    tmp_path,
):
    place = Workplace(tmp_path)
    place.archive.mkdir()
    light_curve("RED A", 1).writeto(place.archive / "reda.lc")
    module = tmp_path / "own_component.py"
    module.write_text(COMPONENT)
    fit = {"models": {"own": ["constant", "own_component:flicker"]}}
    first = place.run(fit=fit)
    assert first.code == 0, first.output
    (model,) = rows_of(read_parquet(place.results / "catalog" / "models.parquet", MODELS))
    assert model["components"] == ["constant.1", "flicker.1"]
    module.write_text(COMPONENT.replace("**-1.5", "**-1.4"))
    again = place.run(fit=fit)
    assert again.code == 0, again.output
    assert {job.split()[0] for job in again.jobs} >= {"fit", "catalog"}
    assert not {"plan", "ingest", "segment"} & {job.split()[0] for job in again.jobs}
