"""Several objects, bands and selections in one table, as ZTF, Gaia and observatories publish them."""

import numpy as np
import pytest
from astropy.table import Table
from pydantic import ValidationError

from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import OBSERVATIONS
from pipeline.config.archive import SourceOptions
from pipeline.config.cluster import ClusterOptions
from pipeline.config.ingest import IngestOptions
from pipeline.config.tables import RowOptions, TableOptions
from pipeline.ingest import driver, plan_driver
from pipeline.ingest.files.selection import intersection, words
from pipeline.ingest.plan import shard
from pipeline.ingest.read.reader import read_products
from pipeline.status import Status
from pipeline.tables import read_parquet, rows_of

ZTF = {
    "files": "*.csv",
    "columns": {"time": "mjd", "rate": "mag", "error": "magerr"}
    | {"object": "oid", "band": "filtercode", "ra": "ra", "dec": "dec"},
    "scale": "magnitude",
    "keywords": {"TELESCOP": "ZTF", "TIMEUNIT": "d", "MJDREFI": 0, "TIMEDEL": 0.01},
}
IDS = (686103400034440, 5853498713190525696, 5853498713190525697)
"""The last two differ by one in 2^63: as numbers with a fraction they would be the same."""


def _ztf(root, name="lc.csv", rows=60, seed=1):
    """Text as the archive of ZTF gives it: a line a visit, of all objects and filters."""
    rng = np.random.default_rng(seed)
    lines = ["oid,hjd,mjd,mag,magerr,catflags,filtercode,ra,dec,exptime"]
    for i in range(rows):
        for j, number in enumerate(IDS):
            for k, code in enumerate(("zg", "zr")):
                if number == IDS[2] and code == "zr":
                    continue
                mag = 15 + j + k + rng.normal(0, 0.02)
                flags = 32768 if i % 10 == 0 else 0
                mjd = 58000 + 0.01 * i + 0.001 * k
                lines.append(
                    f"{number},{mjd + 0.002:.6f},{mjd:.6f},{mag:.4f},0.02,{flags},{code},"
                    f"{10.5 + j:.5f},{-3.25:.5f},30"
                )
    (root / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _survey(root, work, group_by="observation", cache=None, **said):
    plan_driver.run(
        archive=root,
        observations=work / "observations.parquet",
        plan=work / "plan",
        cache=cache,
        options=IngestOptions(**said),
        source=SourceOptions(group_by=group_by),
        cluster=ClusterOptions(),
        shards=2,
    )
    in_archive = rows_of(read_parquet(work / "observations.parquet", OBSERVATIONS))
    entries = [e for path in sorted((work / "plan").glob("*.tsv")) for e in shard.read(path)]
    options = IngestOptions(**said)
    rows = [
        observation.row()
        for entry in entries
        if entry.status == "ok"
        for observation in read_products(entry, root, options)
    ]
    return in_archive, entries, rows


def test_each_object_is_a_source_and_each_band_a_product(archive, tmp_path):
    _ztf(archive.root)
    in_archive, entries, rows = _survey(archive.root, tmp_path / "work", tables=[ZTF])
    assert [m["file"] for m in in_archive] == [
        f"lc.csv#{number}" for number in sorted(map(str, IDS))
    ]
    assert {m["source_id"] for m in in_archive} == {f"ztf:{number}" for number in IDS}
    assert {m["object"] for m in in_archive} == {str(number) for number in IDS}
    assert sorted(m["ra"] for m in in_archive) == [10.5, 11.5, 12.5]
    assert len(entries) == 3
    found = {(r["source_id"], r["product"].rsplit("/", 1)[1]): r for r in rows}
    assert set(found) == {(f"ztf:{i}", c) for i in IDS for c in ("zg", "zr")} - {
        (f"ztf:{IDS[2]}", "zr")
    }
    for row in rows:
        assert row["status"] == Status.OK
        assert len(row["time"]) == 60
        assert np.median(row["rate"]) == pytest.approx(1, abs=0.02)  # of its own median
    assert found[f"ztf:{IDS[1]}", "zg"]["ra"] == 11.5


def test_sources_may_be_the_objects_of_several_files(archive, tmp_path):
    _ztf(archive.root)
    _ztf(archive.root, "more.csv", seed=2)
    in_archive, _, rows = _survey(archive.root, tmp_path / "work", "object", tables=[ZTF])
    assert len(in_archive) == 6
    assert {m["source_id"] for m in in_archive} == {str(number) for number in IDS}
    assert len(rows) == 10
    (archive.root / "copy.csv").write_bytes((archive.root / "lc.csv").read_bytes())
    in_archive, *_ = _survey(archive.root, tmp_path / "again", "object", tables=[ZTF])
    statuses = {m["file"]: m["status"] for m in in_archive}
    assert sum(status == "duplicate" for status in statuses.values()) == 3


def test_the_cache_knows_all_objects_of_a_file(archive, tmp_path, monkeypatch):
    _ztf(archive.root)
    cache = tmp_path / "cache.parquet"
    first, *_ = _survey(archive.root, tmp_path / "a", cache=cache, tables=[ZTF])
    monkeypatch.setattr(
        plan_driver, "scan_file", lambda *_, **__: pytest.fail("it was opened again")
    )
    again, *_ = _survey(archive.root, tmp_path / "b", cache=cache, tables=[ZTF])
    assert [m["file"] for m in again] == [m["file"] for m in first]


def test_a_shard_has_a_row_for_every_object_and_band_also_where_one_cannot_be_read(
    archive, tmp_path
):
    _ztf(archive.root)
    text = (archive.root / "lc.csv").read_text(encoding="utf-8").splitlines()
    kept = [t for t in text if str(IDS[0]) not in t or ",zr," in t or t == text[0]]
    one = next(t for t in text if str(IDS[0]) in t and ",zg," in t)
    bad = one.replace(one.split(",")[3], "nan")
    (archive.root / "lc.csv").write_text("\n".join([*kept, bad]) + "\n", encoding="utf-8")
    _survey(archive.root, tmp_path / "work", tables=[ZTF])
    output = tmp_path / "out.parquet"
    rows = []
    for path in sorted((tmp_path / "work/plan").glob("*.tsv")):
        options = IngestOptions(tables=[ZTF])
        driver.run(
            archive=archive.root,
            plan=path,
            output=output,
            options=options,
            cluster=ClusterOptions(workers=1),
        )
        rows += rows_of(read_parquet(output, INGEST))
    assert len(rows) == 5
    (lost,) = [r for r in rows if r["status"] != "ok"]
    assert (lost["source_id"], lost["status"]) == (f"ztf:{IDS[0]}", "no_data")
    assert "band zg" in lost["reason"]


def test_rows_are_kept_by_conditions(archive, tmp_path):
    _ztf(archive.root)
    for rows, count in (
        ([{"column": "catflags", "op": "<", "value": 32768}], 54),
        ([{"column": "catflags", "op": "bits clear", "value": 32768}], 54),
        ([{"column": "filtercode", "value": "zg"}, {"column": 6, "value": 0}], 54),
        ([{"column": "filtercode", "op": "in", "value": ["zg"]}], 60),
    ):
        table = ZTF | {"rows": rows}
        *_, read = _survey(archive.root, tmp_path / "work", tables=[table])
        assert {len(r["time"]) for r in read} == {count}
    only = ZTF | {"rows": [{"column": "oid", "value": str(IDS[1])}]}
    in_archive, *_ = _survey(archive.root, tmp_path / "work", tables=[only])
    assert [m["part"] for m in in_archive] == [str(IDS[1])]
    none = ZTF | {"rows": [{"column": "filtercode", "value": "zi"}]}
    (lost,), *_ = _survey(archive.root, tmp_path / "work", tables=[none])
    assert lost["status"] == "no_data"
    assert "filtercode == zi" in lost["reason"]
    absent = ZTF | {"rows": [{"column": "absent", "value": 1}]}
    (lost,), *_ = _survey(archive.root, tmp_path / "work", tables=[absent])
    assert (lost["status"], "no column 'absent'" in lost["reason"]) == ("unreadable", True)


def test_gaias_table_of_epochs_in_fits(archive, tmp_path):
    """The columns of epoch photometry (DataLink, RAW), of which a row is a transit in one band."""
    time = np.repeat(1700 + 0.05 * np.arange(80), 3)
    table = Table(
        {
            "source_id": np.repeat(np.array([IDS[1], IDS[2]]), 240),
            "band": np.tile(np.array(["G", "BP", "RP"]), 160),
            "time": np.tile(time, 2),
            "flux": np.full(480, 1000.0) + np.random.default_rng(1).normal(0, 5, 480),
            "flux_error": np.full(480, 5.0),
            "rejected_by_photometry": np.tile(np.arange(240) % 8 == 0, 2),
        }
    )
    table["time"].unit = "d"
    table.write(archive.root / "gaia.fits")
    entry = {
        "files": "*.fits",
        "columns": {"time": "time", "rate": "flux", "error": "flux_error"}
        | {"object": "source_id", "band": "band"},
        "keywords": {"OBJECT": "Gaia DR3 {object}", "TELESCOP": "Gaia", "TIMEDEL": 0.05},
        "rows": [{"column": "rejected_by_photometry", "value": False}],
    }
    entry["keywords"] |= {"TIMEUNIT": "d"}
    in_archive, _, rows = _survey(archive.root, tmp_path / "work", "object", tables=[entry])
    assert [m["object"] for m in in_archive] == [f"Gaia DR3 {i}" for i in IDS[1:]]
    assert {m["source_id"] for m in in_archive} == {f"GAIADR3{i}" for i in IDS[1:]}
    assert {r["product"].rsplit("/", 1)[1] for r in rows} == {"G", "BP", "RP"}
    assert {r["object"] for r in rows} == {f"Gaia DR3 {i}" for i in IDS[1:]}
    assert {len(r["time"]) for r in rows} == {70}


def test_a_filter_a_light_curve_where_there_is_one_object(archive):
    lines = [f"{i * 0.5} {b} {10 + i % 3}" for i in range(100) for b in "ugriz"]
    (archive.root / "a.txt").write_text("# t filter flux\n" + "\n".join(lines), encoding="utf-8")
    columns = {"time": "t", "rate": "flux", "band": "filter"}
    table = {"files": "*", "columns": columns, "keywords": {"TIMEUNIT": "s"}}
    rows = archive.products("a.txt", tables=[table])
    assert [r["product"][-2:] for r in rows] == ["/u", "/g", "/r", "/i", "/z"]
    assert {len(r["time"]) for r in rows} == {100}


def test_times_are_kept_and_cut_the_good_time_of_events(archive, make):
    archive.events(time=np.arange(0.5, 100, 0.5), intervals=((0.0, 40.0), (50.0, 100.0)))
    table = {"files": "*", "kind": "events", "columns": {"time": "TIME"}}
    table |= {"times": [[10, 20], [35, 60]]}
    row = archive.read("a.evt", tables=[table])
    lengths = (row["gti_stop"] - row["gti_start"]).tolist()
    assert lengths == [10, 5, 10]
    assert row["exposure"] == 25
    inside = row["time"] + row["t_start"]
    assert ((inside >= 10) & (inside <= 60)).all()
    text = "\n".join(f"{t} {t % 7}" for t in range(200))
    (archive.root / "b.txt").write_text(text, encoding="utf-8")
    table = {"files": "*.txt", "columns": {"time": 1, "rate": 2}, "keywords": {"TIMEUNIT": "s"}}
    assert len(archive.read("b.txt", tables=[table | {"times": [[50, 99]]}])["time"]) == 50


def test_words_and_ranges():
    assert words(np.array([b"zg ", b"zr"])).tolist() == ["zg", "zr"]
    assert words(np.array(["a\x07b", " c "])).tolist() == ["a b", "c"]
    assert words(np.array([3.0, 2.5])).tolist() == ["3", "2.5"]
    assert words(np.array([IDS[1]])).tolist() == [str(IDS[1])]
    assert intersection(np.empty((0, 2)), [(1, 2)]).tolist() == [[1, 2]]
    assert intersection(np.array([[0, 5.0]]), [(1, 2), (4, 9), (7, 8)]).tolist() == [[1, 2], [4, 5]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"column": "a", "op": "in", "value": 1},
        {"column": "a", "op": "<", "value": "x"},
        {"column": "a", "op": "bits clear", "value": 1.5},
        {"column": "a", "op": "~", "value": 1},
    ],
)
def test_a_condition_that_makes_no_sense_is_said(wrong):
    with pytest.raises(ValidationError):
        RowOptions(**wrong)


def test_times_need_a_column_and_objects_a_series():
    with pytest.raises(ValidationError, match="times needs a column time"):
        TableOptions(files="*", columns={"rate": 1}, keywords={"TIMEDEL": 1.0}, times=[[0, 1]])
    columns = {"frequency": 1, "power": 2, "object": 3}
    with pytest.raises(ValidationError, match="object and band"):
        TableOptions(files="*", kind="spectrum", columns=columns)
