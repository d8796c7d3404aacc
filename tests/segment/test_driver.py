"""A shard goes in, a shard comes out, whatever its observations do to the workers."""

import os

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.columns.ingest import INGEST
from pipeline.columns.spectra import SPECTRA
from pipeline.config.cluster import ClusterOptions
from pipeline.config.segment import SegmentOptions
from pipeline.segment import driver
from pipeline.segment.observation import ARRAYS, SCALARS, read_index, reader
from pipeline.segment.products.power_spectra import PowerSpectra
from pipeline.status import Flag, Status
from pipeline.tables import TableError, read_parquet, rows_of, write_parquet

OPTIONS = SegmentOptions(dt=1 / 16, max_bins=256)
CLUSTER = ClusterOptions(workers=2)


def _write(path, observations):
    write_parquet(path, INGEST, [_row(one) for one in observations], rows_per_group=1)
    return path


def _row(one):
    """Return the row of INGEST that an observation is read from."""
    scalars = {name: getattr(one.header, name) for name in SCALARS}
    return scalars | {name: getattr(one, name) for name in ARRAYS}


def _read(path):
    return {(r["source_id"], r["product"]): r for r in rows_of(read_parquet(path, SPECTRA))}


@pytest.fixture(scope="module")
def shard(tmp_path_factory, events):
    """Sources good, mixed, deadly, raising, silent, hopeless; rows of a source not adjacent."""
    named = [
        ("good", "a", {}),
        ("mixed", "a", {}),
        ("deadly", "a", {}),
        ("raising", "a", {}),
        ("good", "b", {}),
        ("good", "a", {}),
        ("silent", "a", {"rate": 0.0}),
        ("mixed", "", {"status": Status.TRUNCATED, "reason": "x.fits: cut short"}),
        ("hopeless", "", {"status": Status.BAD_TIME, "reason": "y.fits: no TIME"}),
        ("hopeless", "", {"status": Status.NO_DATA, "reason": "z.fits: no events"}),
    ]
    rows = [
        events(seed=i, source_id=s, product=p, observation_id=str(i), file=f"{i}.fits", **more)
        for i, (s, p, more) in enumerate(named)
    ]
    return _write(tmp_path_factory.mktemp("shard") / "in.parquet", rows)


def _treacherous():
    """Work that dies or raises on two sources; pickled by value, as workers cannot import this."""

    def work(item, **where):
        if item.source_id == "deadly":
            os._exit(9)
        if item.source_id == "raising":
            raise RuntimeError("out of luck")
        return driver.make_rows(item, **where)

    return work


@pytest.fixture(scope="module")
def result(shard, tmp_path_factory):
    output = tmp_path_factory.mktemp("results") / "out.parquet"
    driver.segment_shard(shard, output, OPTIONS, CLUSTER, work=_treacherous())
    assert os.listdir(output.parent) == ["out.parquet"]
    return _read(output)


def test_every_source_has_its_row_and_only_the_culprits_are_lost(result):
    assert {key: row["status"] for key, row in result.items()} == {
        ("deadly", "a"): Status.WORKER_DIED,
        ("good", "a"): Status.OK,
        ("good", "a@0"): Status.OK,
        ("good", "a@5"): Status.OK,
        ("good", "b"): Status.OK,
        ("hopeless", ""): Status.BAD_TIME,
        ("mixed", "a"): Status.OK,
        ("raising", "a"): Status.ERROR,
        ("silent", "a"): Status.NO_DATA,
    }
    assert list(result) == sorted(result)
    assert result["deadly", "a"]["reason"].startswith("2.fits: the worker process died")
    assert result["raising", "a"]["reason"] == "3.fits: RuntimeError: out of luck"
    assert result["hopeless", ""]["reason"] == "y.fits: no TIME"
    assert result["good", "a"]["observation_ids"] == ["0", "5"]
    assert [result["good", p]["epoch"] for p in ("a", "a@0", "a@5", "b")] == ["", "0", "5", ""]
    assert result["good", "a@5"]["observation_ids"] == ["5"]
    assert result["mixed", "a"]["flags"] & Flag.PARTIAL
    assert not result["good", "b"]["flags"] & Flag.PARTIAL


def test_rows_do_not_depend_on_what_befell_the_others(shard, result, tmp_path):
    output = tmp_path / "out.parquet"
    driver.run(input=shard, output=output, options=OPTIONS, cluster=CLUSTER)
    sound = _read(output)
    assert sound.keys() == result.keys()
    assert sound["deadly", "a"]["status"] == Status.OK
    for key in {*result} - {("deadly", "a"), ("raising", "a")}:
        np.testing.assert_equal(sound[key], result[key])


def test_an_epoch_is_what_the_observation_alone_gives(shard, result, tmp_path):
    output = tmp_path / "out.parquet"
    read = reader(shard)
    rows = [read(header) for header in read_index(shard) if header.observation_id == "5"]
    alone = OPTIONS.model_copy(update={"epochs": False})
    driver.run(
        input=_write(tmp_path / "in.parquet", rows), output=output, options=alone, cluster=CLUSTER
    )
    (row,) = _read(output).values()
    named = {"product": "a@5", "series": "a@5", "epoch": "5"}
    np.testing.assert_equal(row | named, result["good", "a@5"])


def test_an_epoch_that_is_too_short_by_itself_does_not_make_its_source_partial(tmp_path, events):
    rows = [
        events(gti=((0.0, 100.0),), observation_id="long", file="long"),
        events(gti=((0.0, 3.0), (200.0, 202.0)), observation_id="short", file="short"),
    ]
    output = tmp_path / "out.parquet"
    options = SegmentOptions(dt=1 / 16, segment_size=2.5, min_bins=8)
    driver.run(
        input=_write(tmp_path / "in.parquet", rows), output=output, options=options, cluster=CLUSTER
    )
    assert not any(row["flags"] & Flag.PARTIAL for row in _read(output).values())
    options = SegmentOptions(dt=1 / 16, segment_size=4.0, min_bins=8)
    driver.run(input=tmp_path / "in.parquet", output=output, options=options, cluster=CLUSTER)
    found = {product: row["status"] for (_, product), row in _read(output).items()}
    name = rows[0].header.product
    assert found[f"{name}@short"] == Status.TOO_SHORT
    assert found[name] == found[f"{name}@long"] == Status.OK


@pytest.mark.parametrize("failed", [0, 2])
def test_no_cluster_is_started_without_work(tmp_path, events, monkeypatch, failed):
    monkeypatch.setattr("pipeline.parts.connect", None)
    rows = [
        events(source_id=f"s{i}", file=f"{i}.fits", status=Status.NO_DATA, reason="why")
        for i in range(failed)
    ]
    output = tmp_path / "out.parquet"
    driver.run(
        input=_write(tmp_path / "in.parquet", rows), output=output, options=OPTIONS, cluster=CLUSTER
    )
    assert [r["status"] for r in _read(output).values()] == [Status.NO_DATA] * failed


def test_a_table_of_another_kind_is_refused(tmp_path):
    output = tmp_path / "out.parquet"
    write_parquet(tmp_path / "other.parquet", SPECTRA, [])
    for name in ("other", "absent"):
        with pytest.raises(TableError, match=name):
            driver.run(
                input=tmp_path / f"{name}.parquet", output=output, options=OPTIONS, cluster=CLUSTER
            )
    assert not output.exists()


def test_a_source_without_a_row_is_a_bug(tmp_path, events, monkeypatch):
    """Here the rows of "b", and so its source, are lost between the workers and the table."""
    shard = _write(tmp_path / "in.parquet", [events(source_id=name, file=name) for name in "ab"])
    monkeypatch.setattr(driver, "by_source", lambda index: [])
    monkeypatch.setattr(driver, "chosen", lambda names: (OnlyA(),))
    with pytest.raises(RuntimeError, match="1 sources without a row, 'b' among them"):
        driver.run(input=shard, output=tmp_path / "out.parquet", options=OPTIONS, cluster=CLUSTER)
    assert os.listdir(tmp_path) == ["in.parquet"]


class OnlyA(PowerSpectra):
    """Power spectra that forget a source."""

    def takes(self, header):
        return header.source_id == "a"


def test_row_groups_are_bounded_and_rows_in_order(shard, result, tmp_path, monkeypatch):
    """One row a task, or all in one, in groups of three rows or of one: the rows are the same."""
    for chunk_size, rows_per_group, bytes_per_group, groups in (
        (1, 3, 1 << 25, 3),
        (64, 512, 1, 8),
    ):
        monkeypatch.setattr(driver, "ROWS_PER_GROUP", rows_per_group)
        monkeypatch.setattr(driver, "BYTES_PER_GROUP", bytes_per_group)
        output = tmp_path / f"{chunk_size}.parquet"
        cluster = ClusterOptions(workers=1, chunk_size=chunk_size)
        driver.run(input=shard, output=output, options=OPTIONS, cluster=cluster)
        assert pq.read_metadata(output).num_row_groups == groups
        rows = _read(output)
        assert list(rows) == list(result)
        for key in {*result} - {("deadly", "a"), ("raising", "a")}:
            np.testing.assert_equal(rows[key], result[key])


def test_raw_powers_are_held_against_the_light_curve_of_their_source(tmp_path, observation):
    """27 d, and a spectrum of five ordinates an independent frequency that are taken for one."""
    span, rng = 27.0 * 86400, np.random.default_rng(4)
    time = (np.arange(2048) + 0.5) * span / 2048
    who = {"mission": "kepler", "object": "KIC 1"}
    curve = {
        "time": time,
        "rate": rng.normal(1, 0.1, 2048),
        "rate_err": np.full(2048, 0.1),
        "fracexp": np.ones(2048),
        "gti_start": np.zeros(1),
        "gti_stop": np.array([span]),
        "exposure": span,
        "dt": span / 2048,
        "counting": False,
    } | who
    rows = []
    edges = 50 * np.arange(101) / (5 * span)
    for source, oversampling in (("copied", 1.0), ("right", 5.0)):
        one = {"frequency_lo": edges[:-1], "frequency_hi": edges[1:], "norm": "frac"}
        one |= {"n": np.full(100, 50 / oversampling), "power": rng.gamma(10, 0.1, 100)}
        named = {"source_id": source, "file": source}
        rows.append(observation("spectrum", noise=np.nan, **one, **who, **named))
        rows.append(observation("lightcurve", **curve, **named))
    shard = _write(tmp_path / "in.parquet", rows)
    driver.run(input=shard, output=tmp_path / "out.parquet", options=OPTIONS, cluster=CLUSTER)
    flagged = {
        key
        for key, row in _read(tmp_path / "out.parquet").items()
        if row["flags"] & Flag.OVERSAMPLED
    }
    assert flagged == {("copied", "spectrum/mission")}
