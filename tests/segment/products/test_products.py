"""Products declare what they are without importing what they compute with; a new one is a class and a line."""

import subprocess
import sys

import numpy as np
import pytest

from pipeline.columns.base import Table
from pipeline.columns.ingest import INGEST
from pipeline.columns.power import EPOCH
from pipeline.columns.shared import FLAGS, REASON, STATUS
from pipeline.columns.spectra import SPECTRA
from pipeline.config.cluster import ClusterOptions
from pipeline.config.segment import SegmentOptions
from pipeline.segment import driver, products
from pipeline.segment.observation import ARRAYS, SCALARS
from pipeline.segment.products.base import IDENTITY, Product
from pipeline.status import Flag, Status
from pipeline.tables import read_parquet, rows_of, write_parquet


def test_declarations_are_light():
    code = (
        "import sys, pipeline.segment.products\n"
        "print(*{'numpy', 'scipy', 'pyarrow', 'astropy', 'jax', 'dask'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("product", products.PRODUCTS, ids=lambda product: product.name)
def test_the_table_of_a_product_has_the_columns_that_the_driver_fills(product):
    names = {*IDENTITY, "status", "flags", "reason", "epoch"}
    assert names <= set(product.table.names)
    assert product.table.key == ("source_id", "product")


class Counts(Product):
    """How many events each series has."""

    name = "counts"
    summary = "Events of each series."
    table = Table(
        "COUNTS",
        "Events of each series.",
        (
            *(SPECTRA.column(name) for name in IDENTITY),
            *(STATUS, FLAGS, REASON, EPOCH),
            SPECTRA.column("counts"),
        ),
        key=("source_id", "product"),
    )

    def takes(self, header):
        return header.kind == "events"

    def rows(self, item, read, options):
        cells = {name: getattr(item.first, name) for name in IDENTITY}
        counts = float(sum(len(read(header).time) for header in item.series[0]))
        return [cells | {"status": Status.OK, "flags": 0, "counts": counts}]


class InThisProcess:
    """Stands for the cluster: workers cannot import a product of a test."""

    def __init__(self, monkeypatch):
        monkeypatch.setattr(driver, "each_outcome", self.run)

    def run(self, work, items, cluster, label, sizes, together):
        from pipeline.cluster import Outcome

        return together([Outcome(i, work(item)) for i, item in enumerate(items)])


def _write(path, observations):
    rows = [
        {name: getattr(one.header, name) for name in SCALARS}
        | {name: getattr(one, name) for name in ARRAYS}
        for one in observations
    ]
    write_parquet(path, INGEST, rows, rows_per_group=1)
    return path


def test_a_product_more_has_a_table_of_its_own_with_every_source(
    tmp_path, monkeypatch, events, lightcurve
):
    """A source of two event lists, one of a light curve, and one of nothing."""
    InThisProcess(monkeypatch)
    both = (*products.PRODUCTS, Counts())
    for module in (products, driver):
        monkeypatch.setattr(module, "chosen", lambda names: both, raising=False)
        monkeypatch.setattr(module, "named", lambda name: {p.name: p for p in both}[name])
    observations = [
        events(seed=1, source_id="a", observation_id="1", file="1"),
        events(seed=2, source_id="a", observation_id="2", file="2"),
        lightcurve(np.arange(512.0), source_id="b", file="3"),
        events(source_id="c", file="4", status=Status.TRUNCATED, reason="cut short"),
    ]
    shard, output = _write(tmp_path / "in.parquet", observations), tmp_path / "shard-0000.parquet"
    driver.run(
        input=shard, output=output, options=SegmentOptions(dt=1 / 16), cluster=ClusterOptions()
    )
    spectra = rows_of(read_parquet(output, SPECTRA))
    counts = rows_of(read_parquet(tmp_path / "shard-0000.counts.parquet", Counts.table))
    assert [(row["source_id"], row["epoch"]) for row in spectra] == [
        ("a", ""),
        ("a", "1"),
        ("a", "2"),
        ("b", ""),
        ("c", ""),
    ]
    found = {(row["source_id"], row["epoch"]): row for row in counts}
    assert len(found) == len(counts) == 5
    assert found["a", ""]["counts"] == found["a", "1"]["counts"] + found["a", "2"]["counts"]
    assert found["b", ""]["status"] == Status.NO_DATA
    assert found["c", ""]["status"] == Status.TRUNCATED
    assert not any(row["flags"] & Flag.PARTIAL for row in counts)


def test_names_of_products_are_checked():
    assert SegmentOptions().products == ["power_spectra"]
    for wrong, about in ((["bispectra"], "is not one of"), ([], "must have power_spectra")):
        with pytest.raises(ValueError, match=about):
            SegmentOptions(products=wrong)
