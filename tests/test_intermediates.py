"""Before a run, what is damaged or does not belong together is found, removed, and nothing else."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.columns.catalogue import SOURCES
from pipeline.columns.fits import MODELS
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.spectra import SPECTRA
from pipeline.config.survey import Survey
from pipeline.declared import RESULTS
from pipeline.intermediates import (
    misfits,
    remove_misfits,
    set_aside,
    taken_aside,
)
from pipeline.seals import DamagedTable, Origin, identifier, together
from pipeline.shards import shard_name
from pipeline.stages import CATALOG, FIT, INGEST, PLAN, SEGMENT
from pipeline.tables import empty_row, write_parquet
from pipeline.workflow import outputs

SHARDS = ("shard-0000", "shard-0001")
FILES = (
    "observations.parquet",
    "plan/shard-0000.tsv",
    "ingest/shard-0000.parquet",
    "segment/shard-0000.parquet",
    "fit/shard-0000.models.parquet",
    "fit/shard-0000.parameters.parquet",
    "fit/shard-0000.curves.parquet",
    "fit/shard-0000.samples.parquet",
    "catalog/sources.parquet",
    "catalog/samples.parquet",
)


def some_rows(table, names):
    return [empty_row(table) | dict.fromkeys(table.key[:1], one) for one in names]


def make(folder: Path, survey: Survey, sources=("a", "b")) -> Path:
    """Write the tables of a survey as its stages do, and return the folder of the results."""

    def path(file, shard=""):
        return folder / file.pattern(survey).format(shard=shard)

    lists = []
    for shard in SHARDS:
        listed = folder / RESULTS / "plan" / f"{shard}.tsv"
        listed.parent.mkdir(parents=True, exist_ok=True)
        rows = "".join(f'"{shard} {source}"\t"{source}.evt"\n' for source in sources)
        listed.write_text('"source_id"\t"file"\n' + rows)
        lists.append(identifier(listed))
        above, name = lists[-1], "plan"
        for stage in (INGEST, SEGMENT, FIT):
            origin = Origin(stage.name, shard, stage.recipe(survey), {name: above})
            for file in outputs(stage, survey).values():
                named = [f"{shard} {source} {stage.name}" for source in sources]
                write_parquet(
                    path(file, shard), file.table, some_rows(file.table, named), origin=origin
                )
            first = next(iter(outputs(stage, survey).values()))
            above, name = identifier(path(first, shard)), "input"
    origin = Origin("plan", "", PLAN.recipe(survey), {"plan": together(lists)})
    write_parquet(
        path(PLAN.written(OBSERVATIONS)),
        OBSERVATIONS,
        some_rows(OBSERVATIONS, sources),
        origin=origin,
    )
    for file in outputs(CATALOG, survey).values():
        if file.table is not None and path(file).suffix == ".parquet":
            write_parquet(
                path(file), file.table, some_rows(file.table, sources), origin=Origin("catalog")
            )
    (folder / RESULTS / "survey.yaml").write_text("archive: archive\n")
    return folder / RESULTS


SURVEY = Survey(archive="archive", shards=2)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A survey as its stages have left it."""
    folder = tmp_path_factory.mktemp("made")
    make(folder, SURVEY)
    return folder


@pytest.fixture
def place(made, tmp_path):
    return shutil.copytree(made, tmp_path / "mine")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """The results of another survey."""
    return make(tmp_path_factory.mktemp("other"), SURVEY, ("c", "d", "e"))


def found(place, survey=SURVEY, before=None):
    """Return the files that do not fit, by their places in the folder of the results."""
    return {
        str(one.path.relative_to(place / RESULTS)): one.what
        for one in misfits(survey, place, before)
    }


def test_what_the_stages_have_written_fits(place):
    assert found(place) == {}
    assert remove_misfits(SURVEY, place) == []


def test_a_survey_that_was_not_run_yet_or_in_part_fits(place, tmp_path):
    assert misfits(SURVEY, tmp_path / "nowhere") == []
    for name in ("catalog", "fit"):
        shutil.rmtree(place / RESULTS / name)
        assert found(place) == {}
    (place / RESULTS / "ingest" / "shard-0001.parquet").unlink()
    assert found(place) == {}


def flip_in_the_footer(path, foreign):
    whole = bytearray(path.read_bytes())
    whole[-200] ^= 4
    path.write_bytes(whole)


def cut(path, foreign):
    path.write_bytes(path.read_bytes()[:-9])


def cut_inside(path, foreign):
    whole = path.read_bytes()
    path.write_bytes(whole[:50] + whole[60:])


def empty(path, foreign):
    path.write_bytes(b"")


def another_shard(path, foreign):
    shutil.copy(path.with_name(path.name.replace("0000", "0001")), path)


def another_survey(path, foreign):
    results = path.parents[1] if path.name != "observations.parquet" else path.parent
    shutil.copy(foreign / path.relative_to(results), path)


def lost_row(path, foreign):
    if path.suffix == ".tsv":
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
        return
    rows = pq.read_table(path)
    pq.write_table(rows.slice(0, rows.num_rows - 1), path)


def rows_twice(path, foreign):
    if path.suffix == ".tsv":
        path.write_text(path.read_text() + path.read_text().splitlines(keepends=True)[-1])
        return
    rows = pq.read_table(path)
    pq.write_table(pa.concat_tables([rows, rows]), path)


def written_anew(path, foreign):
    """As by a hand that has the code."""
    if path.suffix == ".tsv":
        path.write_text(path.read_text().replace("b.evt", "x.evt"))
        return
    table = next(f.table for s in (PLAN, INGEST, SEGMENT, FIT, CATALOG) for f in s.writes
                 if f.table and Path(str(f.path)).name.format(shard=SHARDS[0]) == path.name
                 and (path.parent.name in (s.name, RESULTS)))  # fmt: skip
    write_parquet(path, table, some_rows(table, ["x"]))


DAMAGES = (
    *(flip_in_the_footer, cut, cut_inside, empty, another_shard, another_survey),
    *(lost_row, rows_twice, written_anew),
)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("name", FILES)
def test_damage_is_found_and_what_has_to_be_made_again_is_removed(name, damage, place, foreign):
    path = place / RESULTS / name
    before = path.read_bytes()
    alone = "shard" not in name
    if damage is another_shard and alone:
        pytest.skip("there is one of them")
    if damage is flip_in_the_footer and path.suffix == ".tsv":
        before = path.read_bytes()
        path.write_bytes(before.replace(b"a.evt", b"q.evt"))
    else:
        damage(path, foreign)
    if name.startswith("catalog") and damage is another_survey:
        pytest.skip("a catalogue does not say what it was made from")
    assert path.read_bytes() != before
    names = found(place)
    expected = "observations.parquet" if path.suffix == ".tsv" else name
    assert expected in names
    if not name.startswith(("plan", "ingest", "segment")):
        assert list(names) == [expected]
    again = remove_misfits(SURVEY, place)
    assert again == ["results/catalog/catalog.fits"]
    assert (place / RESULTS / expected).exists() == name.startswith("catalog")
    kept = {n for n in FILES if (place / RESULTS / n).exists()}
    assert kept == set(FILES) - {n for n in names if not n.startswith("catalog")}


def test_one_line_says_what_is_made_again(place, capsys):
    for name in FILES[2:7]:
        (place / RESULTS / name).write_bytes(b"")
    remove_misfits(SURVEY, place)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.endswith("; and 2 more: they are made again\n")
    assert f"{place}/results/ingest/shard-0000.parquet is empty; " in line


def test_a_change_of_options_is_left_to_snakemake(place):
    changed = SURVEY.model_copy(
        update={"segment": SURVEY.segment.model_copy(update={"segment_size": 77.0})}
    )
    assert found(place, changed, before=SURVEY) == {}
    of_another = found(place, changed, before=changed)
    assert set(of_another.values()) == {"was made by other options"}
    assert set(of_another) == {f"segment/{shard}.parquet" for shard in SHARDS}


def test_cluster_and_platform_are_no_other_options(place):
    elsewhere = SURVEY.model_copy(
        update={"cluster": SURVEY.cluster.model_copy(update={"workers": 7})}
    )
    assert found(place, elsewhere) == {}


def test_an_input_that_was_made_again_makes_the_next_table_a_misfit(place):
    path = place / RESULTS / "segment" / "shard-0001.parquet"
    above = identifier(place / RESULTS / "ingest" / "shard-0001.parquet")
    origin = Origin("segment", "shard-0001", SEGMENT.recipe(SURVEY), {"input": above})
    write_parquet(path, SPECTRA, some_rows(SPECTRA, ["other"]), origin=origin)
    assert set(found(place)) == {
        f"fit/shard-0001.{name}.parquet" for name in ("models", "parameters", "curves", "samples")
    }


def test_a_table_of_a_shard_without_a_list_is_not_looked_at(place):
    (place / RESULTS / "ingest" / f"{shard_name(7)}.parquet").write_bytes(b"")
    assert found(place) == {}


def test_a_damaged_table_is_set_aside_once_and_named(place):
    path = place / RESULTS / "fit" / "shard-0000.models.parquet"
    error = DamagedTable(path, "is cut")
    assert set_aside(error)
    assert set_aside(error)  # another job found the same
    assert not path.exists()
    assert taken_aside(place) == [path]
    assert taken_aside(place) == []
    assert not list(path.parent.glob(".*"))


def test_what_a_run_that_was_killed_has_set_aside_is_made_again(place, capsys):
    path = place / RESULTS / "ingest" / "shard-0001.parquet"
    set_aside(DamagedTable(path, "is cut"))
    assert remove_misfits(SURVEY, place) == ["results/catalog/catalog.fits"]
    assert capsys.readouterr().err == f"survey: {path} is damaged: it is made again\n"
    assert remove_misfits(SURVEY, place) == []


def test_a_damaged_list_has_the_plan_made_again(place):
    assert set_aside(DamagedTable(place / RESULTS / "plan" / "shard-0000.tsv", "is cut"))
    assert taken_aside(place) == [place / RESULTS / "observations.parquet"]


def test_a_table_of_nobody_is_not_touched(tmp_path):
    path = tmp_path / "deep" / "down" / "models.parquet"
    write_parquet(path, MODELS, [])
    assert not set_aside(DamagedTable(path, "is cut"))
    assert path.exists()


def test_catalogues_stay_until_they_are_replaced(place):
    path = place / RESULTS / "catalog" / "sources.parquet"
    write_parquet(path, SOURCES, [])  # of no stage
    assert remove_misfits(SURVEY, place) == ["results/catalog/catalog.fits"]
    assert path.exists()
