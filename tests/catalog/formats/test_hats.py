"""The HATS catalogue holds every source once, where its position is, and the tools of others open it."""

import json

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pipeline.catalog.formats.healpix import pixels
from pipeline.catalog.formats.rows import Rows
from pipeline.catalog.formats.write_hats import APART, INDEX, divide, write_hats
from pipeline.columns.catalogue import SOURCES
from pipeline.tables import to_arrow

COUNT, LOST, MOST = 400, 3, 50
CENTRE = 83.6, 22.0


def rows():
    """Sources all over the sky, a cluster of them, and some without a position."""
    rng = np.random.default_rng(3)
    sky = rng.uniform(0, 360, COUNT // 2), np.degrees(np.arcsin(rng.uniform(-1, 1, COUNT // 2)))
    cluster = (centre + rng.normal(0, 0.5, COUNT - COUNT // 2) for centre in CENTRE)
    ra, dec = (np.concatenate(both) for both in zip(sky, cluster, strict=True))
    found = [
        {"source_id": f"S{k:03d}", "ra": ra[k], "dec": dec[k], "qpo_frequency": 0.1 * k}
        for k in range(COUNT)
    ]
    found[7] |= {"qpo_harmonics": ["lorentzian.2"], "qpo_harmonic_ratios": [2.0]}
    return found + [{"source_id": f"LOST{k}", "dec": 3.0} for k in range(LOST)]


@pytest.fixture
def catalogue(tmp_path):
    folder = tmp_path / "hats"
    counts = write_hats(
        folder, Rows.of(SOURCES, to_arrow(SOURCES, rows())), "A <survey> ½", max_rows=MOST
    )
    assert counts == {"with_position": COUNT, "without_position": LOST}
    return folder


def test_every_source_is_in_one_file_or_in_the_companion(catalogue):
    inside = ds.parquet_dataset(catalogue / "dataset" / "_metadata").to_table()
    apart = pq.read_table(catalogue / APART)
    names = [*inside["source_id"].to_pylist(), *apart["source_id"].to_pylist()]
    assert sorted(names) == sorted(row["source_id"] for row in rows())
    assert apart.num_rows == LOST


def test_a_file_holds_the_rows_of_its_pixel_in_their_order(catalogue):
    lines = (catalogue / "partition_info.csv").read_text().splitlines()
    assert lines[0] == "Norder,Npix"
    assert len(lines) > 12
    for line in lines[1:]:
        order, number = map(int, line.split(","))
        directory = number // 10_000 * 10_000
        path = f"dataset/Norder={order}/Dir={directory}/Npix={number}.parquet"
        table = pq.read_table(catalogue / path, partitioning=None)
        index = table[INDEX].to_numpy()
        assert 0 < table.num_rows <= MOST
        assert np.all(index >> 2 * (29 - order) == number)
        assert np.all(np.diff(index) >= 0)
        assert index.tolist() == pixels(table["ra"].to_numpy(), table["dec"].to_numpy()).tolist()


def test_columns_keep_units_and_descriptions(catalogue):
    schema = pq.read_schema(catalogue / "dataset" / "_common_metadata")
    assert schema.names == [INDEX, *SOURCES.names]
    field = schema.field("qpo_frequency")
    assert field.metadata[b"unit"] == b"Hz"
    assert field.metadata[b"description"].startswith(b"Centroid")
    assert "ok" in json.loads(schema.field("status").metadata[b"values"])


def test_the_properties_say_where_the_position_is(catalogue):
    lines = (catalogue / "hats.properties").read_text(encoding="utf-8").splitlines()
    properties = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert (properties["hats_col_ra"], properties["hats_col_dec"]) == ("ra", "dec")
    assert properties["hats_nrows"] == str(COUNT)
    assert (catalogue / "properties").read_bytes() == (catalogue / "hats.properties").read_bytes()


def test_the_same_catalogue_gives_the_same_bytes(catalogue, tmp_path):
    write_hats(
        tmp_path / "2", Rows.of(SOURCES, to_arrow(SOURCES, rows())), "A <survey> ½", max_rows=MOST
    )
    for path in catalogue.rglob("*"):
        other = tmp_path / "2" / path.relative_to(catalogue)
        assert path.is_dir() or path.read_bytes() == other.read_bytes()


def test_a_catalogue_that_is_there_is_replaced_as_a_whole(catalogue):
    few = to_arrow(SOURCES, rows()[:2])
    assert write_hats(catalogue, Rows.of(SOURCES, few), "x") == {
        "with_position": 2,
        "without_position": 0,
    }
    assert len(list(catalogue.rglob("Npix=*"))) <= 2
    assert not (catalogue.parent / ".hats.tmp").exists()


def test_pixels_are_divided_until_they_are_small_or_deep():
    number = np.sort(pixels(np.full(10, 5.0), np.full(10, 5.0)))
    (pixel,) = divide(number, 3, max_order=6)
    assert (pixel.order, pixel.stop - pixel.start) == (6, 10)
    assert [p.order for p in divide(number, 10)] == [0]


@pytest.mark.parametrize("count", [0, 1])
def test_a_catalogue_without_positions_is_still_one(tmp_path, count):
    table = to_arrow(SOURCES, [{"source_id": "A"}] * count)
    counts = write_hats(tmp_path / "hats", Rows.of(SOURCES, table), "Nothing")
    assert counts == {"with_position": 0, "without_position": count}
    assert ds.parquet_dataset(tmp_path / "hats" / "dataset" / "_metadata").count_rows() == 0


@pytest.mark.filterwarnings("ignore")  # theirs
class TestOthers:
    """What `hats` and `lsdb` make of it; they are the extra `hats`, which the lock does not hold."""

    @pytest.fixture
    def hats(self):
        return pytest.importorskip("hats", reason="the extra `hats` is not installed")

    @pytest.fixture
    def opened(self, hats, catalogue):
        lsdb = pytest.importorskip("lsdb", reason="lsdb is not installed")
        return lsdb.open_catalog(catalogue)

    def test_hats_finds_it_valid(self, hats, catalogue):
        from hats.io.validation import is_valid_catalog

        assert is_valid_catalog(catalogue, strict=True)
        found = hats.read_hats(catalogue)
        assert found.catalog_info.total_rows == COUNT
        assert found.schema.names[1:] == list(SOURCES.names)

    def test_hats_has_the_same_pixels(self, hats):
        from hats.pixel_math.spatial_index import compute_spatial_index

        rng = np.random.default_rng(4)
        ra, dec = rng.uniform(0, 360, 10_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 10_000)))
        assert np.array_equal(compute_spatial_index(ra, dec), pixels(ra, dec))

    def test_hats_opens_one_without_positions(self, hats, tmp_path):
        write_hats(
            tmp_path / "hats", Rows.of(SOURCES, to_arrow(SOURCES, [{"source_id": "A"}])), "Nothing"
        )
        assert hats.read_hats(tmp_path / "hats").catalog_info.total_rows == 0

    def test_lsdb_reads_every_row(self, opened):
        table = opened.compute()
        assert sorted(table["source_id"]) == [row["source_id"] for row in rows()[:COUNT]]
        assert table.set_index("source_id")["qpo_frequency"]["S030"] == pytest.approx(3.0)

    def test_lsdb_finds_what_is_in_a_cone(self, opened):
        found = opened.cone_search(ra=CENTRE[0], dec=CENTRE[1], radius_arcsec=3600).compute()
        ra, dec, *centre = (
            np.radians(values)
            for values in (
                *(np.array([r[n] for r in rows()[:COUNT]]) for n in ("ra", "dec")),
                *CENTRE,
            )
        )
        cosine = np.sin(dec) * np.sin(centre[1]) + np.cos(dec) * np.cos(centre[1]) * np.cos(
            ra - centre[0]
        )
        inside = np.flatnonzero(cosine > np.cos(np.radians(1.0)))
        assert inside.size > 100
        assert sorted(found["source_id"]) == [f"S{k:03d}" for k in inside]
