"""The stages' files become one catalogue: all sources, no more, the same bytes each time."""

import json
from math import isnan

import pytest
from astropy.io import fits

from pipeline.catalog.conservation import RowsLost
from pipeline.catalog.diff import compare_table
from pipeline.catalog.driver import run
from pipeline.columns.catalogue import REJECTED, SOURCES
from pipeline.columns.registry import CATALOGUE
from pipeline.columns.samples import SAMPLES
from pipeline.columns.spectra import SPECTRA
from pipeline.config.catalog import CatalogOptions
from pipeline.config.fit import FitOptions
from pipeline.config.segment import SegmentOptions
from pipeline.config.survey import Survey
from pipeline.fit.analyses.samples import SamplesOptions
from pipeline.segment.products import named
from pipeline.status import Flag
from pipeline.survey import _published as published
from pipeline.tables import TableError, read_parquet, rows_of, write_parquet

FILES = {f"{t.name.lower()}.parquet" for t in CATALOGUE} | {
    *("catalog.fits", "catalog.vot", "samples.parquet")
}


def catalogue(folder, table):
    return rows_of(read_parquet(folder / f"{table.name.lower()}.parquet", table))


def test_every_source_of_the_archive_has_one_row(survey_files):
    assert run(**survey_files) == 0
    rows = catalogue(survey_files["output"], SOURCES)
    assert {row["source_id"]: row["status"] for row in rows} == {
        "DAMAGED": "truncated",
        "LOST EVENTS": "no_data",
        "NOISE Ω<b>": "ok",
        "QPO": "ok",
        "SHORT": "too_short",
        "UNFITTED": "bad_spectrum",
    }
    assert len(rows) == 6
    assert all(row["reason"] for row in rows if row["status"] != "ok")


def test_the_qpo_is_measured_with_its_errors_and_caveats(survey_files):
    run(**survey_files)
    (row,) = (r for r in catalogue(survey_files["output"], SOURCES) if r["source_id"] == "QPO")
    assert (row["qpo_frequency"], row["qpo_q"], row["slope"]) == (5.0, 10.0, 1.2)
    assert (row["qpo_rms"], row["qpo_rms_err_hi"]) == (pytest.approx(0.1), 0.2)
    assert (row["model"], row["runner_up"], row["delta_bic"]) == ("power_law_qpo", "power_law", 100)
    assert row["flags"] == Flag.NO_ENERGY | Flag.NO_P_VALUE | Flag.PARTIAL
    assert row["n_files"] == 3


def test_false_discovery_rates_are_of_the_catalogue(survey_files):
    run(**survey_files)
    rows = {r["source_id"]: r for r in catalogue(survey_files["output"], SOURCES)}
    assert rows["NOISE Ω<b>"]["qpo_p_value"] == 0.4
    assert isnan(rows["NOISE Ω<b>"]["qpo_q_value"])  # its test counts, but it has no QPO
    assert isnan(rows["QPO"]["qpo_q_value"])
    assert rows["NOISE Ω<b>"]["outlier_q_value"] == pytest.approx(0.02)  # one of two
    assert rows["QPO"]["outlier_q_value"] == pytest.approx(0.3)


def test_what_could_not_be_used_says_where_and_why(survey_files):
    run(**survey_files)
    rows = catalogue(survey_files["output"], REJECTED)
    assert [(row["file"], row["stage"], row["status"]) for row in rows] == [
        ("d.evt", "segment", "too_short"),
        ("e.evt", "plan", "truncated"),
        ("f.evt", "plan", "bad_time"),
        ("g.html", "plan", "unreadable"),
        ("i.evt", "fit", "bad_spectrum"),
        ("j.evt", "ingest", "no_data"),
    ]
    assert all(row["reason"] for row in rows)


def test_kept_draws_of_all_shards_are_in_one_file(survey_files):
    run(**survey_files)
    rows = catalogue(survey_files["output"], SAMPLES)
    assert [(row["source_id"], row["parameter"]) for row in rows] == [
        ("QPO", "frequency"),
        ("QPO", "fwhm"),
    ]
    assert rows[0]["value"].tolist() == [1.0, 2.0, 3.0]


def test_a_source_that_was_to_be_sampled_and_was_not_is_lost(survey_files):
    def told(**samples):
        return Survey(archive="archive", fit=FitOptions(samples=SamplesOptions(**samples)))

    assert run(**survey_files | {"survey": told(sources=["Q*", "SHORT"])}) == 0
    with pytest.raises(RowsLost, match=r"samples.*missing: NOISE Ω<b> events/nicer"):
        run(**survey_files | {"survey": told(sources=["*"])})


def test_draws_of_a_source_that_was_not_fitted_are_a_bug(rows_of_stages, write, tmp_path):
    rows_of_stages["samples"] += [{"source_id": "UNFITTED", "product": "events/nicer"}]
    with pytest.raises(RowsLost, match=r"samples.*UNFITTED"):
        run(**write(tmp_path, rows_of_stages))


def test_the_same_inputs_give_the_same_bytes(survey_files):
    run(**survey_files)
    output = survey_files["output"]
    first = {name: (output / name).read_bytes() for name in FILES}
    times = ("started", "finished")
    record = json.loads((output / "provenance.json").read_text())
    run(**survey_files)
    assert {name: (output / name).read_bytes() for name in FILES} == first
    again = json.loads((output / "provenance.json").read_text())
    assert {k: v for k, v in again.items() if k not in times} == {
        k: v for k, v in record.items() if k not in times
    }


def test_only_whole_files_are_left(survey_files):
    run(**survey_files)
    assert {p.name for p in survey_files["output"].iterdir()} == FILES | {"provenance.json"}


def test_provenance_says_what_went_in_and_what_came_out(survey_files):
    run(**survey_files)
    record = json.loads((survey_files["output"] / "provenance.json").read_text())
    assert record["counts_by_status"]["ok"] == 2
    assert record["inputs"]["files"] == 10
    assert len(record["inputs"]["sha256"]) == 64
    assert record["rows"]["SOURCES"] == 6
    assert record["configuration"]["archive"] == "archive"
    assert {"python", "jax", "numpy", "astropy", "dask", "snakemake"} <= set(record["versions"])
    assert record["started"] <= record["finished"]


def test_the_fits_file_holds_the_same_rows(survey_files):
    run(**survey_files)
    with fits.open(survey_files["output"] / "catalog.fits") as hdus:
        assert [len(hdu.data) for hdu in hdus[1:]] == [6, 6, 6, 14, 10, 6]


@pytest.mark.parametrize(
    ("stage", "named"), [("ingest", "ingest"), ("segment", "segment"), ("models", "fit")]
)
def test_a_stage_that_loses_a_source_is_named(tmp_path, write, rows_of_stages, stage, named):
    kept = [row for row in rows_of_stages[stage] if row["source_id"] != "QPO"]
    arguments = write(tmp_path / "other", rows_of_stages | {stage: kept})
    with pytest.raises(RowsLost, match=rf"^{named}, shard-000\d: 1 source.* missing: QPO"):
        run(**arguments)
    assert not arguments["output"].exists()


def test_a_source_the_plan_forgot_is_named(survey_files):
    for path in survey_files["plan"].iterdir():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(x for x in lines if "SHORT" not in x), encoding="utf-8")
    with pytest.raises(RowsLost, match="SHORT"):
        run(**survey_files)


def test_the_gate_publishes_nothing_and_says_what_failed(survey_files, capsys):
    strict = survey_files | {"options": CatalogOptions(max_failed_fraction=0.5)}
    assert run(**strict) == 1
    assert {p.name for p in survey_files["output"].iterdir()} == {"refused.parquet"}
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "4 of 6 sources have no result" in message
    assert "refused.parquet" in message
    assert len(rows_of(read_parquet(survey_files["output"] / "refused.parquet", REJECTED))) == 6
    assert run(**survey_files) == 0
    assert not (survey_files["output"] / "refused.parquet").exists()


def test_a_shard_that_is_not_there_is_named(survey_files):
    (survey_files["fit"] / "shard-0001.models.parquet").unlink()
    with pytest.raises(TableError, match=r"shard-0001\.models\.parquet"):
        run(**survey_files)


def test_a_survey_without_sources_is_a_catalogue_without_rows(tmp_path, write):
    stages = ("observations", "ingest", "segment", "models", "parameters", "samples")
    arguments = write(tmp_path / "empty", {stage: [] for stage in stages})
    assert run(**arguments) == 0
    assert catalogue(arguments["output"], SOURCES) == []


def test_a_format_that_is_not_chosen_is_not_written(survey_files):
    options = CatalogOptions(max_failed_fraction=0.7, formats=["fits"])
    assert run(**survey_files | {"options": options}) == 0
    written = {path.name for path in survey_files["output"].iterdir()}
    assert written == (FILES | {"provenance.json"}) - {"catalog.vot"}
    record = json.loads((survey_files["output"] / "provenance.json").read_text())
    files = {name: one["file"] for name, one in record["formats"].items()}
    assert files == {"fits": "catalog.fits", "parquet": "sources.parquet"}


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no format 'csv'; allowed: fits, votable, parquet"):
        CatalogOptions(formats=["csv"])


def test_the_table_of_a_product_that_is_asked_for_is_in_the_catalogue(survey_files):
    product = named("power_colors")
    spectra = survey_files["segment"]
    for path in spectra.glob("shard-????.parquet"):
        rows = read_parquet(path, SPECTRA, ["source_id", "product", "status"]).to_pylist()
        write_parquet(product.path(path), product.table, rows)
    segment = SegmentOptions(products=["power_spectra", "power_colors"])
    survey = Survey(archive="archive", segment=segment)
    assert run(**survey_files | {"survey": survey}) == 0
    output = survey_files["output"]
    assert len(catalogue(output, product.table)) == 6
    with fits.open(output / "catalog.fits") as hdus:
        assert len(hdus["POWER_COLORS"].data) == 6
    record = json.loads((output / "provenance.json").read_text())
    assert record["rows"]["POWER_COLORS"] == 6
    assert compare_table(output, output, "power_colors", 3.0)["changed"] == []


def test_the_summary_of_a_survey_names_the_tables_that_a_format_is_without(survey_files):
    options = CatalogOptions(max_failed_fraction=0.7, largest_table=0, formats=["fits", "hats"])
    assert run(**survey_files | {"options": options}) == 0
    record = json.loads((survey_files["output"] / "provenance.json").read_text())
    text = published(record)
    assert text.startswith("catalog.fits (without SOURCES, without EPOCHS, ")
    assert text.endswith("sources.parquet, hats (0 with position, 6 without position)")
    with fits.open(survey_files["output"] / "catalog.fits") as hdus:
        assert [hdu.name for hdu in hdus if hdu.data is not None and len(hdu.data)] == []
