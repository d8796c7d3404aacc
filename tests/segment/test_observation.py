"""Observations come back from a table as they are, and each is read once."""

import numpy as np
import pytest

from pipeline.columns.ingest import INGEST
from pipeline.config.segment import SegmentOptions
from pipeline.segment import kept
from pipeline.segment.observation import ARRAYS, SCALARS, Observations, read_index, reader
from pipeline.segment.products.power_spectra.rows import product_rows
from pipeline.tables import write_parquet


def _row(one):
    scalars = {name: getattr(one.header, name) for name in SCALARS}
    return scalars | {name: getattr(one, name) for name in ARRAYS}


@pytest.mark.parametrize("rows_per_group", [1, 2, 0])
def test_an_observation_is_read_as_it_was_written(tmp_path, events, lightcurve, rows_per_group):
    written = [events(seed=1), lightcurve(np.arange(100.0), background_rate=2.0), events(seed=2)]
    path = tmp_path / "in.parquet"
    rows = [_row(one) | {"file": f"{i}.evt"} for i, one in enumerate(written)]
    write_parquet(path, INGEST, rows, rows_per_group=rows_per_group)
    read, index = reader(path), read_index(path)
    assert [header.number for header in index] == [0, 1, 2]
    for row, header in [*zip(rows, index, strict=True)][::-1]:
        np.testing.assert_equal(_row(read(header)), row)


def test_times_are_absolute_where_the_epoch_is_known(events):
    one = events(gti=((0.0, 43200.0),), rate=0.01, t_start=86400.0)
    assert (one.header.mjd_start, one.mjd_stop) == (50001.0, 50001.5)
    unknown = events(mjd_ref=-1)
    assert np.isnan([unknown.header.mjd_start, unknown.mjd_stop]).all()


@pytest.mark.parametrize(("small", "reads"), [(kept.SMALL, 1), (0, 3)])
def test_each_observation_is_read_once_unless_they_are_large(events, monkeypatch, small, reads):
    """To find the segments, and to average them; of large ones no two are in memory."""
    monkeypatch.setattr(kept.Kept.__init__, "__defaults__", (small,))
    observations = [events(seed=seed, gti=((0.0, 200.0),)) for seed in range(3)]
    by_number, read = {one.header.number: one for one in observations}, []

    def count(header):
        read.append(header.number)
        return by_number[header.number]

    headers = [one.header for one in observations]
    (row,) = product_rows(Observations(headers, count), SegmentOptions(dt=1 / 16))
    assert row["n_observations"] == 3
    assert max(map(read.count, read)) <= reads
    if small:
        assert read == [header.number for header in headers]
