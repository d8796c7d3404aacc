"""A table that was cut, altered or exchanged is never read as if it were what was written."""

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.columns.catalogue import SOURCES
from pipeline.columns.fits import CURVES, MODELS, PARAMETERS
from pipeline.columns.ingest import INGEST
from pipeline.columns.observations import LISTING, OBSERVATIONS
from pipeline.columns.registry import TABLES
from pipeline.columns.samples import SAMPLES
from pipeline.columns.spectra import SPECTRA
from pipeline.seals import CHUNKS, SEAL, DamagedTable, Origin, identifier, read_seal, together
from pipeline.tables import batches_of, parquet_writer, read_parquet, write_parquet

KINDS = (LISTING, OBSERVATIONS, INGEST, SPECTRA, MODELS, PARAMETERS, CURVES, SAMPLES, SOURCES)
ORIGIN = Origin("fit", "shard-0003", "recipe", {"input": "an identifier"})


def values(column, row):
    """Return a cell that is different in each row."""
    one = {"str": f"w{row % 3}", "bool": bool(row % 2)}.get(column.dtype, row + 0.5)
    one = int(one) if column.dtype.startswith("int") else one
    return [one, one, one][: 1 + row % 3] if column.array else one


def rows_of_kind(table, count=7):
    made = [{c.name: values(c, row) for c in table.columns} for row in range(count)]
    for row, cells in enumerate(made):
        cells |= dict.fromkeys(table.key[:1], f"key {row}")
    return made


def written(folder, table, **more):
    path = folder / f"{table.name}.parquet"
    write_parquet(path, table, rows_of_kind(table), rows_per_group=4, origin=ORIGIN, **more)
    return path


def same_or_damaged(path, table, good, columns=None):
    """Return whether the damage was seen; anything but that or the same values is a failure."""
    try:
        found = read_parquet(path, table, columns)
    except DamagedTable:
        return True
    assert found.equals(good if columns is None else good.select(columns)), "other values"
    return False


@pytest.mark.parametrize("table", KINDS, ids=lambda table: table.name)
def test_a_flipped_bit_is_seen_or_changes_nothing(table, tmp_path):
    path = written(tmp_path, table)
    good, whole = read_parquet(path, table), path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    rng = np.random.default_rng(len(whole))
    places = np.concatenate([rng.integers(0, footer, 70), rng.integers(footer, len(whole), 50)])
    seen = 0
    for place in places.tolist():
        altered = bytearray(whole)
        altered[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(altered)
        seen += same_or_damaged(path, table, good)
    assert seen >= 110  # the first bytes, and the names of the entries, hold nothing


def test_every_bit_of_the_headers_of_pages_is_covered(tmp_path):
    """Arrow takes another encoding in a header for granted where the bytes happen to be fit for it."""
    path = written(tmp_path, PARAMETERS)
    good, whole = read_parquet(path, PARAMETERS), path.read_bytes()
    column = pq.read_metadata(path).row_group(0).column(PARAMETERS.names.index("free"))
    for place in range(column.data_page_offset, column.data_page_offset + 30):
        for bit in range(8):
            altered = bytearray(whole)
            altered[place] ^= 1 << bit
            path.write_bytes(altered)
            assert same_or_damaged(path, PARAMETERS, good)
            assert not same_or_damaged(path, PARAMETERS, good, ["source_id"])


@pytest.mark.parametrize("table", [INGEST, SAMPLES], ids=lambda table: table.name)
def test_a_file_that_is_cut_lengthened_or_overwritten_is_damaged(table, tmp_path):
    path = written(tmp_path, table)
    whole = path.read_bytes()
    middle, rng = len(whole) // 3, np.random.default_rng(3)
    damages = [
        b"",
        b"PAR1",
        whole[:4],
        whole[:middle],
        whole[: len(whole) - 1],
        whole + b"\0" * 8,
        whole + whole,
        whole[:middle] + whole[middle + 1 :],
        whole[:middle] + b"\0" + whole[middle:],
        whole[:middle] + bytes(512) + whole[middle + 512 :],
        rng.bytes(len(whole)),
        whole[:-8] + (1 << 31).to_bytes(4, "little") + b"PAR1",
        whole[:-8] + bytes(4) + b"PAR1",
    ]
    for altered in damages:
        path.write_bytes(altered)
        with pytest.raises(DamagedTable):
            read_parquet(path, table)
        with pytest.raises(DamagedTable):
            list(batches_of(path, table))


def test_a_group_of_rows_that_is_read_alone_is_checked(tmp_path):
    from pipeline.segment.observation import read_index, reader

    path = tmp_path / "s.parquet"
    arrays = {"kind": "events", "status": "ok", "gti_start": [0.0], "gti_stop": [9.0]}
    rows = [
        arrays | {"file": f"{k}", "source_id": f"s{k}", "time": np.arange(9.0) + k}
        for k in range(2)
    ]
    write_parquet(path, INGEST, rows, rows_per_group=1)
    index, whole = read_index(path), bytearray(path.read_bytes())
    time = [c.name for c in INGEST.columns].index("time")
    whole[pq.read_metadata(path).row_group(1).column(time).data_page_offset + 40] ^= 1
    path.write_bytes(whole)
    assert reader(path)(index[0]).time.tolist() == list(range(9))
    with pytest.raises(DamagedTable, match="altered after it was written, in time"):
        reader(path)(index[1])


def test_a_seal_says_what_a_table_is_and_what_it_was_made_from(tmp_path):
    path = tmp_path / "p.parquet"
    rows = [
        {"source_id": s, "product": p, "model": m, "component": c}
        for s, p, m, c in ("AqMx", "AqMy", "AqNx", "ArMx", "BqMx")
    ]
    with parquet_writer(path, PARAMETERS, ORIGIN) as write:
        write(rows[:2])
        write(rows[2:])
    seal = read_seal(path)
    assert (seal.table, seal.origin) == ("PARAMETERS", ORIGIN)
    assert seal.counts == {"rows": 5, "source_id": 2, "product": 3, "model": 4}
    assert pq.read_metadata(path).num_rows == 5
    assert read_parquet(path, PARAMETERS).schema.metadata == {b"table": b"PARAMETERS"}


def test_the_identifier_is_that_of_the_content(tmp_path):
    paths = [tmp_path / f"{k}.parquet" for k in range(3)]
    for path, origin, count in zip(paths, (ORIGIN, Origin(), ORIGIN), (7, 7, 6), strict=True):
        write_parquet(path, MODELS, rows_of_kind(MODELS, count), origin=origin)
    same, also, other = map(identifier, paths)
    assert same == also != other
    (tmp_path / "a.tsv").write_text("a list")
    (tmp_path / "b.tsv").write_text("a list!")
    assert identifier(tmp_path / "a.tsv") != identifier(tmp_path / "b.tsv")
    assert together([same, other]) != together([other, same])


def test_a_table_without_a_seal_can_be_read_and_its_pages_are_checked_where_it_has_checksums(
    tmp_path,
):
    path = written(tmp_path, SAMPLES)
    good = read_parquet(path, SAMPLES)
    for name in (SEAL, CHUNKS):
        bare = {k: v for k, v in pq.read_schema(path).metadata.items() if k != name.encode()}
        assert name.encode() not in bare
    pq.write_table(pq.read_table(path).replace_schema_metadata(), path, write_page_checksum=True)
    assert read_seal(path) is None
    assert read_parquet(path, SAMPLES).equals(good)
    whole = bytearray(path.read_bytes())
    column = pq.read_metadata(path).row_group(0).column(0)
    whole[column.data_page_offset + column.total_compressed_size - 4] ^= 1
    path.write_bytes(whole)
    with pytest.raises(DamagedTable):
        read_parquet(path, SAMPLES)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_table_can_be_sealed_with_and_without_rows(table, tmp_path):
    for count in (0, 5):
        path = tmp_path / f"{count}.parquet"
        write_parquet(path, table, rows_of_kind(table, count), rows_per_group=2, origin=ORIGIN)
        assert read_seal(path).counts["rows"] == count
        assert read_parquet(path, table).num_rows == count


def test_a_footer_longer_than_what_is_read_at_first_is_read_whole(tmp_path):
    path = tmp_path / "long.parquet"
    write_parquet(path, INGEST, rows_of_kind(INGEST, 40), rows_per_group=1, origin=ORIGIN)
    assert pq.read_metadata(path).serialized_size > 1 << 16
    assert read_seal(path).counts["rows"] == 40


def test_the_error_goes_through_processes_and_names_the_file(tmp_path):
    error = pickle.loads(pickle.dumps(DamagedTable(tmp_path / "a.parquet", "is cut")))
    assert (error.path, str(error)) == (tmp_path / "a.parquet", f"{tmp_path}/a.parquet is cut")
    assert error.ends_job  # it is not the fault of the item of which a worker reads the rows


def test_a_fault_of_the_machine_is_no_damage(tmp_path, monkeypatch):
    path = written(tmp_path, SAMPLES)

    def no_disk(*_):
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr("os.preadv", no_disk)
    with pytest.raises(OSError, match="Input/output error"):
        read_parquet(path, SAMPLES)


def test_readers_of_other_programs_read_the_files(tmp_path):
    path = written(tmp_path, SOURCES)
    data = pq.read_table(path, page_checksum_verification=True)
    assert data.num_rows == 7
    assert pa.types.is_string(data.schema.field("source_id").type)
