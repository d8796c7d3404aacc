"""Readers that are not ours give the same answers to the same questions, whatever has no value."""

import importlib.util
import json
import shutil
import subprocess
import warnings
from math import nan

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import QTable

from pipeline.catalog.driver import collect_samples, publish
from pipeline.catalog.formats.rows import Extent, Rows
from pipeline.columns.catalogue import SOURCES
from pipeline.columns.fits import MODELS, PARAMETERS
from pipeline.columns.registry import CATALOGUE
from pipeline.columns.samples import SAMPLES
from pipeline.config.catalog import CatalogOptions
from pipeline.status import Flag
from pipeline.tables import columns_to_arrow, read_parquet, rows_of, to_arrow, write_parquet

FREQUENCIES = np.geomspace(0.1, 10.0, 20)
ANSWERS = {
    "above 1 Hz": 10,
    "with a QPO": 20,
    "mean": FREQUENCIES.mean(),
    "largest": 10.0,
    "with a model": 40,
    "free parameters": 3.0,
    "with segments": 40,
}


def sources():
    """60 sources: 20 with a QPO, 20 with a fit and none, 20 without a fit."""
    for k in range(60):
        row = {"source_id": f"S{k:02d}", "status": "no_data", "ra": nan, "flags": int(Flag.NO_GTI)}
        if k < 40:
            row |= {"status": "ok", "model": "m", "ra": 10.0, "m": 7}
            row |= {"statistic": 90.0, "n_free": 2 if k % 2 else 4}
        if k < 20:
            row |= {"qpo_frequency": FREQUENCIES[k], "qpo_p_method": "below"}
        yield row


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A published catalogue."""
    path = tmp_path_factory.mktemp("catalog")
    model = {"source_id": "S00", "product": "p", "model": "m", "covariance": [1.0, 0.5, 0.5, 2.0]}
    model |= {"limit_frequency": [1.0, 2.0], "limit_rms": [0.1, nan], "components": ["constant.1"]}
    other = {"source_id": "S01", "product": "p", "model": "m", "covariance": [1.0]}
    parameter = {"source_id": "S00", "interval_lo": [0.5, nan], "interval_hi": [nan, 2.0]}
    rows = {SOURCES: list(sources()), MODELS: [model, other], PARAMETERS: [parameter, {}]}
    tables = {t: Rows.of(t, to_arrow(t, rows.get(t, []))) for t in CATALOGUE}
    publish(path, tables, "A survey", CatalogOptions())
    return path


def agree(found):
    for question, answer in ANSWERS.items():
        assert found[question] == pytest.approx(answer), question


def test_polars_takes_nothing_for_a_number(folder):
    pl = pytest.importorskip("polars", reason="polars is not installed")
    table = pl.read_parquet(folder / "sources.parquet")
    qpo, model = pl.col("qpo_frequency"), pl.col("model")
    agree(
        {
            "above 1 Hz": table.filter(qpo > 1).height,
            "with a QPO": table.select(qpo.count()).item(),
            "mean": table.select(qpo.mean()).item(),
            "largest": table.sort(qpo, descending=True, nulls_last=True)["qpo_frequency"][0],
            "with a model": table.select(model.count()).item(),
            "free parameters": table.select(pl.col("n_free").mean()).item(),
            "with segments": table.select(pl.col("m").count()).item(),
        }
    )
    assert not any(table[c].is_nan().any() for c in table.columns if table[c].dtype.is_float())
    assert table["qpo_frequency_open_lo"].null_count() == 40
    lists = pl.read_parquet(folder / "parameters.parquet")["interval_lo"].to_list()
    assert lists == [[0.5, None], []]


def test_duckdb_takes_nothing_for_a_number(folder):
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    select = {
        "above 1 Hz": "count(*) filter (qpo_frequency > 1)",
        "with a QPO": "count(qpo_frequency)",
        "mean": "avg(qpo_frequency)",
        "largest": "max(qpo_frequency)",
        "with a model": "count(model)",
        "free parameters": "avg(n_free)",
        "with segments": "count(m)",
        "closed below": "count(*) filter (not qpo_frequency_open_lo)",
    }
    query = f"select {', '.join(select.values())} from '{folder}/sources.parquet'"
    found = dict(zip(select, duckdb.sql(query).fetchall()[0], strict=True))
    agree(found)
    assert found["closed below"] == 20


def test_pandas_takes_nothing_for_a_number(folder):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pd.read_parquet(folder / "sources.parquet")
    qpo = table.qpo_frequency
    agree(
        {
            "above 1 Hz": (qpo > 1).sum(),
            "with a QPO": qpo.count(),
            "mean": qpo.mean(),
            "largest": table.sort_values("qpo_frequency", ascending=False).qpo_frequency.iloc[0],
            "with a model": table.model.count(),
            "free parameters": table.n_free.mean(),
            "with segments": table.m.count(),
        }
    )


def _with_astropy(table):
    """Answer with a table in which what has no value is masked, or NaN, or the word None."""

    def known(name):
        values = table[name]
        mask = np.broadcast_to(getattr(values, "mask", False), len(values))
        values = getattr(values, "unmasked", values)
        return np.ma.masked_invalid(np.ma.MaskedArray(getattr(values, "value", values), mask))

    assert table["qpo_frequency"].unit == units.Hz
    qpo = known("qpo_frequency")
    return {
        "above 1 Hz": len(table[table["qpo_frequency"] > 1 * units.Hz]),
        "with a QPO": qpo.count(),
        "mean": qpo.mean(),
        "largest": qpo.max(),
        "with a model": sum(w not in ("", "None") for w in np.ma.filled(table["model"], "")),
        "free parameters": known("n_free").mean(),
        "with segments": known("m").count(),
    }


def test_astropy_takes_nothing_for_a_number(folder):
    agree(_with_astropy(QTable.read(folder / "catalog.fits", hdu="SOURCES")))
    agree(_with_astropy(QTable.read(folder / "catalog.vot", table_id="SOURCES")))


def test_astropy_reads_the_parquet_too(folder):
    pytest.importorskip(
        "pandas", reason="pandas, without which Astropy reads no Parquet, is not there"
    )
    table = QTable.read(folder / "sources.parquet")
    agree(_with_astropy(table))
    assert table["qpo_frequency"].info.description == SOURCES.column("qpo_frequency").description


@pytest.mark.parametrize("name", ["catalog.fits#1", "catalog.vot#0"])
def test_stilts_takes_nothing_for_a_number(folder, name):
    if not shutil.which("stilts"):
        pytest.skip("stilts is not installed (Debian's package stilts)")
    command = ["stilts", "tpipe", f"in={folder / name}", "cmd=keepcols 'qpo_frequency n_free m'"]
    command += ["cmd=stats Name NGood Mean Maximum", "omode=out", "ofmt=csv"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = {line.split(",")[0]: line.split(",")[1:] for line in text.splitlines()[1:]}
    qpo = [float(x) for x in rows["qpo_frequency"]]
    assert qpo == pytest.approx([20, FREQUENCIES.mean(), 10.0])
    assert [float(x) for x in rows["n_free"][:2]] == pytest.approx([40, 3.0])
    assert float(rows["m"][0]) == 40


@pytest.mark.parametrize("rows", [0, 1, 2])
@pytest.mark.parametrize("table", CATALOGUE, ids=[t.name for t in CATALOGUE])
def test_every_table_opens_in_every_format_without_a_warning(tmp_path, table, rows):
    data = to_arrow(table, [{table.key[0]: str(k)} for k in range(rows)])
    publish(tmp_path, {table: Rows.of(table, data)}, "T", CatalogOptions())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(QTable.read(tmp_path / "catalog.fits", hdu=table.name)) == rows
        assert len(QTable.read(tmp_path / "catalog.vot", table_id=table.name)) == rows
        if importlib.util.find_spec("pandas"):
            assert len(QTable.read(tmp_path / f"{table.name.lower()}.parquet")) == rows


def shard_lists(folder, number):
    """Write the lists of shards that have a source each."""
    lists = [folder / f"shard-{k:04d}.tsv" for k in range(number)]
    for one in lists:
        one.write_text("source_id\nA\n", encoding="utf-8")
    return lists


@pytest.mark.parametrize("rows", [0, 1])
def test_the_samples_open_too(tmp_path, rows):
    pytest.importorskip(
        "pandas", reason="pandas, without which Astropy reads no Parquet, is not there"
    )
    row = {"source_id": "A", "component": "lorentzian.1", "value": [1.0, 2.0]}
    write_parquet(tmp_path / "shard-0000.samples.parquet", SAMPLES, [row] * rows)
    collect_samples(tmp_path / "samples.parquet", shard_lists(tmp_path, 1), tmp_path)
    table = QTable.read(tmp_path / "samples.parquet")
    assert list(table["component"]) == ["lorentzian.1"] * rows
    assert rows_of(read_parquet(tmp_path / "samples.parquet", SAMPLES))[:1] or not rows


def test_samples_are_sorted_by_source_whatever_the_shards(tmp_path):
    def row(source, parameter):
        return {"source_id": source, "component": "lorentzian.1", "parameter": parameter}

    write_parquet(tmp_path / "shard-0000.samples.parquet", SAMPLES, [row("B", "q"), row("B", "a")])
    write_parquet(tmp_path / "shard-0001.samples.parquet", SAMPLES, [row("A", "q"), row("C", "q")])
    collect_samples(tmp_path / "samples.parquet", shard_lists(tmp_path, 2), tmp_path)
    found = read_parquet(tmp_path / "samples.parquet", SAMPLES, ["source_id", "parameter"])
    assert ["".join(r.values()) for r in found.to_pylist()] == ["Aq", "Bq", "Ba", "Cq"]


def test_every_table_with_lists_opens_without_a_warning(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for table in CATALOGUE:
            found = QTable.read(folder / "catalog.fits", hdu=table.name)
            again = QTable.read(folder / "catalog.vot", table_id=table.name)
            assert found.colnames == again.colnames == list(table.names)
    models = QTable.read(folder / "catalog.fits", hdu="MODELS")
    assert models["limit_frequency"].unit == units.Hz
    np.testing.assert_array_equal(models["limit_frequency"].value, [[1, 2], [nan, nan]])


def test_tables_of_empty_lists_open_whatever_their_size(tmp_path):
    """Astropy 8.0 takes the rows for the heap where these end on a block of 2880 bytes and it is empty."""
    for count in (1440, 2880):
        rows = [{"source_id": str(k)} for k in range(count)]
        data = Rows.of(PARAMETERS, to_arrow(PARAMETERS, rows))
        publish(tmp_path, {PARAMETERS: data}, "T", CatalogOptions())
        assert len(QTable.read(tmp_path / "catalog.fits", hdu="PARAMETERS")) == count


def test_a_table_that_is_too_large_is_in_parquet_alone_and_the_others_say_so(tmp_path, capsys):
    rows = {SOURCES: list(sources()), PARAMETERS: [{"source_id": f"S{k:04d}"} for k in range(2000)]}
    tables = {t: Rows.of(t, to_arrow(t, rows.get(t, []))) for t in CATALOGUE}
    limit = tables[SOURCES].extent.nbytes
    assert tables[PARAMETERS].extent.nbytes > limit
    record = publish(tmp_path, tables, "A survey", CatalogOptions(largest_table=limit))
    reason = "PARAMETERS, which is larger than catalog.largest_table and in Parquet"
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"catalog: {name} is without {reason}." for name in ("catalog.fits", "catalog.vot")
    ]
    assert record["fits"]["left_out"] == record["votable"]["left_out"] == ["PARAMETERS"]
    assert "left_out" not in record["parquet"]
    with fits.open(tmp_path / "catalog.fits", checksum=True) as hdus:
        assert [hdu.name for hdu in hdus[1:]] == [t.name for t in CATALOGUE if t is not PARAMETERS]
        assert hdus[0].header["TITLE"] == f"A survey, without {reason}"
    assert f"<DESCRIPTION>A survey, without {reason}<" in (tmp_path / "catalog.vot").read_text()
    assert read_parquet(tmp_path / "parameters.parquet", PARAMETERS).num_rows == 2000


def test_one_source_is_in_few_of_the_row_groups(tmp_path):
    """A reader of one source out of a million reads the groups whose statistics have its name."""
    count = Extent(SOURCES).rows_in_a_group * 2 + 5
    ids = {"source_id": [f"S{k:06d}" for k in range(count)]}
    data = Rows.of(SOURCES, columns_to_arrow(SOURCES, ids))
    publish(tmp_path, {SOURCES: data}, "T", CatalogOptions(formats=[]))
    with pq.ParquetFile(tmp_path / "sources.parquet") as file:
        ranges = [
            file.metadata.row_group(k).column(0).statistics for k in range(file.num_row_groups)
        ]
        assert [one.min <= "S010000" <= one.max for one in ranges] == [False, True, False]


def test_what_is_null_comes_back_into_the_code_as_it_was(folder):
    for table in (SOURCES, MODELS, PARAMETERS):
        stored = pq.read_table(folder / f"{table.name.lower()}.parquet")
        assert not any(stored.column(key).null_count for key in table.key)
        back = read_parquet(folder / f"{table.name.lower()}.parquet", table)
        assert not any(column.null_count for column in back.columns)
    lo = [row["interval_lo"] for row in rows_of(back)]
    np.testing.assert_array_equal(lo[0], [0.5, nan])
    assert lo[1].size == 0
    raw = rows_of(pq.read_table(folder / "sources.parquet"))[-1]
    assert np.isnan(raw["qpo_frequency"])
    assert (raw["model"], raw["n_free"]) == ("", 0)
    back = read_parquet(folder / "sources.parquet", SOURCES)
    expected = to_arrow(SOURCES, list(sources()))
    for name in ("qpo_frequency", "model", "n_free", "m", "ra"):
        np.testing.assert_array_equal(back[name].to_numpy(), expected[name].to_numpy())


def test_parquet_says_what_words_and_bits_mean(folder):
    schema = pq.read_schema(folder / "sources.parquet")
    bits = json.loads(schema.field("flags").metadata[b"values"])
    assert bits["4"].startswith("NOT_BARYCENTRED: Times are not corrected")
    assert "no_data" in json.loads(schema.field("status").metadata[b"values"])
    assert schema.field("qpo_frequency").metadata[b"unit"] == b"Hz"
    text = (folder / "catalog.vot").read_text()
    assert '<INFO name="flag_2" value="4">NOT_BARYCENTRED: ' in text
    assert '<OPTION name="There is a result." value="ok"/>' in text
