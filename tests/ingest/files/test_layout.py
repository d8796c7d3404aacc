"""Where HDUs and columns lie, against Astropy on sound files, and what headers cannot make us do."""

import io

import numpy as np
import pytest
from astropy.io import fits

from pipeline.ingest.files import fits_file, layout
from pipeline.ingest.reject import Rejected


def header(*cards, end=True):
    text = "".join(card.ljust(80) for card in [*cards, *["END"] * end])
    return text.ljust(-(-len(text) // 2880) * 2880).encode()


def content_of(hdus, **options):
    content = io.BytesIO()
    hdus.writeto(content, **options)
    return content.getvalue()


@pytest.fixture(scope="module")
def sound():
    rng = np.random.default_rng(1)
    columns = [
        fits.Column("B", "B", array=rng.integers(0, 256, 7)),
        fits.Column("X", "11X", array=rng.random((7, 11)) < 0.5),
        fits.Column("I", "3I", array=rng.integers(-9, 9, (7, 3))),
        fits.Column("A", "5A", array=np.array(["abc"] * 7)),
        fits.Column("J", "J", array=rng.integers(-9, 9, 7)),
        fits.Column("K", "K", array=rng.integers(-9, 9, 7)),
        fits.Column("E", "2E", array=rng.random((7, 2))),
        fits.Column("D", "D", array=rng.random(7)),
    ]
    image = fits.ImageHDU(rng.random((5, 9)), name="IMAGE")
    table = fits.BinTableHDU.from_columns(columns, name="T")
    return content_of(fits.HDUList([fits.PrimaryHDU(), image, table]), checksum=True)


def test_hdus_lie_where_astropy_finds_them(sound):
    found, missing = layout.extents(sound)
    assert missing == ""
    with fits.open(io.BytesIO(sound)) as hdus:
        infos = [hdu.fileinfo() for hdu in hdus]
        sizes = [hdu.size for hdu in hdus]
    assert [(e.header, e.data, e.end) for e in found] == [
        (i["hdrLoc"], i["datLoc"], i["datLoc"] + i["datSpan"]) for i in infos
    ]
    assert [e.size for e in found] == sizes


def test_columns_lie_where_astropy_finds_them(sound):
    place = layout.extents(sound)[0][2]
    with fits.open(io.BytesIO(sound)) as hdus:
        table = hdus[2]
        for index, name in enumerate(table.columns.names):
            values = layout.numbers(sound, place, dict(table.header), index)
            if name == "A":
                assert values is None
            else:
                np.testing.assert_array_equal(values, table.data[name])


def test_checksums_are_those_of_astropy(sound):
    with fits.open(io.BytesIO(sound)) as hdus:
        for place, hdu in zip(layout.extents(sound)[0], hdus, strict=True):
            assert layout.checksum(sound, place.data, place.end) == int(hdu.header["DATASUM"])
            assert layout.checksum(sound, place.header, place.end) == 0xFFFFFFFF
            flipped = bytearray(sound)
            flipped[place.data - 1] ^= 1
            assert layout.checksum(bytes(flipped), place.header, place.end) != 0xFFFFFFFF


def test_a_checksum_of_more_than_a_block_is_that_of_its_words():
    data = np.random.default_rng(2).integers(0, 256, 1_000_002, dtype=np.uint8).tobytes()
    total = sum(
        int.from_bytes(data[i : i + 4].ljust(4, b"\0"), "big") for i in range(0, 1000002, 4)
    )
    assert layout.checksum(data, 0, len(data)) == total % 0xFFFFFFFF


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        (["BITPIX=8", "NAXIS=1000000000"], "NAXIS is '1000000000'"),
        (["BITPIX=8", "NAXIS=-1"], "NAXIS is '-1'"),
        (["BITPIX=8", "NAXIS=1", "NAXIS1=-5"], "NAXIS1 is '-5'"),
        (["BITPIX=8", "NAXIS=2", "NAXIS1=1"], "NAXIS2 is missing"),
        (["BITPIX=7", "NAXIS=0"], "BITPIX is not one of those of FITS"),
        (["NAXIS=0"], "BITPIX is missing"),
        (["BITPIX='a'", "NAXIS=0"], "BITPIX is \"'a'\""),
        (["BITPIX=8", "NAXIS=1", "NAXIS1=1", "PCOUNT=-9"], "PCOUNT is '-9'"),
    ],
)
def test_a_keyword_that_cannot_be_is_named(cards, words):
    text = [card.partition("=") for card in cards]
    with pytest.raises(Rejected, match="HDU 0") as caught:
        layout.extents(header("SIMPLE  = T", *(f"{k:8}= {v}" for k, _, v in text)))
    assert words in caught.value.reason


@pytest.mark.parametrize(("naxis", "tfields"), [("2", "1000000000"), ("1", "1")])
def test_a_table_that_cannot_be_is_named(naxis, tfields):
    table = header(
        "XTENSION= 'BINTABLE'",
        "BITPIX  = 8",
        f"NAXIS   = {naxis}",
        "NAXIS1  = 8",
        "NAXIS2  = 0",
        f"TFIELDS = {tfields}",
        "EXTNAME = 'EVENTS  '",
    )
    with pytest.raises(Rejected, match=r"HDU 1 \(EVENTS\)"):
        layout.extents(header("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0") + table)


def test_a_header_without_an_end_is_not_searched_for_ever():
    start = header("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0", end=False)
    assert layout.extents(start)[1] == "the header of HDU 0 does not end"
    with pytest.raises(Rejected, match="no END of the header of HDU 0"):
        layout.extents(start + b" " * (layout.MAX_HEADER + 2880))


def test_headers_without_number_are_not_read_for_ever():
    cards = header("XTENSION= 'IMAGE   '", "BITPIX  = 8", "NAXIS   = 0")
    start = header("SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0")
    assert len(layout.extents(start + 50 * cards)[0]) == 51
    with pytest.raises(Rejected, match="no END of the header of HDU 8000"):
        layout.extents(start + 8100 * cards)


def test_columns_that_do_not_fill_a_row_are_said():
    cards = {"TFIELDS": 2, "TFORM1": "D", "TFORM2": "1000000000D", "NAXIS1": 9, "NAXIS2": 1}
    with pytest.raises(Rejected, match="take 8000000008 bytes of a row, NAXIS1 says 9"):
        layout.cells(cards, 0)


def test_a_file_that_cannot_be_mapped_reads_the_same(sound):
    """As one on a server: what `open_fits` is given need only seek."""
    remote = io.BufferedReader(io.BytesIO(sound))
    assert layout.extents(layout.Slices(remote)) == layout.extents(sound)
    with fits_file.open_fits(remote, 1) as hdus, fits.open(io.BytesIO(sound)) as expected:
        assert not fits_file.checksum_fails(hdus)
        for name in "BXIJKED":
            np.testing.assert_array_equal(hdus[2].read(name), expected[2].data[name])


def test_an_image_that_is_compressed_is_an_image(archive):
    image = fits.CompImageHDU(np.zeros((9, 9), np.int16), name="SKY")
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(archive.root / "sky.fits")
    row = archive.observations()["sky.fits"]
    assert row["status"] == "set_aside"
    assert "an image" in row["reason"]


def test_scaled_numbers_are_those_of_astropy(archive):
    columns = [
        fits.Column("U", "J", bzero=2**31, array=np.array([0, 1, 2**32 - 1], np.uint32)),
        fits.Column("V", "K", bzero=2**63, array=np.array([0, 1, 2**64 - 1], np.uint64)),
    ]
    path = archive.add("a.fits", fits.BinTableHDU.from_columns(columns))
    with fits_file.open_fits(path, 1) as hdus, fits.open(path) as expected:
        for name in "UV":
            np.testing.assert_array_equal(hdus[1].read(name), expected[1].data[name])


def test_scaled_numbers_that_are_not_whole(sound):
    with fits.open(io.BytesIO(sound)) as hdus:
        header, raw = dict(hdus[2].header), np.array(hdus[2].data["J"])
    index = [header[f"TTYPE{i + 1}"] for i in range(header["TFIELDS"])].index("J")
    header |= {f"TSCAL{index + 1}": 0.5, f"TZERO{index + 1}": 10}
    values = layout.numbers(sound, layout.extents(sound)[0][2], header, index)
    np.testing.assert_array_equal(values, raw * 0.5 + 10)


def test_an_ascii_table_is_read(archive):
    columns = [fits.Column("TIME", "F10.3", array=[1.5, 2.5]), fits.Column("N", "I5", array=[3, 4])]
    path = archive.add("a.fits", fits.TableHDU.from_columns(columns))
    with fits_file.open_fits(path, 1) as hdus:
        assert hdus[1].read("TIME").tolist() == [1.5, 2.5]
        assert hdus[1].read("N").tolist() == [3, 4]


def test_a_table_that_fpack_compressed_is_named(archive, make):
    heap = fits.Column("TIME", "PD()", array=np.array([[1.0, 2.0], [3.0]], object))
    table = fits.BinTableHDU.from_columns([heap], name="EVENTS")
    table.header.update(make.nicer | {"ZTABLE": True})
    archive.add("a.evt", table)
    row = archive.read("a.evt")
    assert row["status"] == "unreadable"
    assert "HDU 1 (EVENTS): column TIME holds arrays of variable length" in row["reason"]
    assert "funpack" in row["reason"]


@pytest.mark.parametrize(
    ("code", "zero", "kind"), [("B", 0, "u1"), ("I", 0, "i2"), ("J", 0, "i4"), ("I", 32768, "u2")]
)
def test_undefined_integers_are_nan(archive, code, zero, kind):
    """TNULL is of the numbers as they are kept, before TSCAL and TZERO; without one, whole they stay."""
    stored = np.arange(12).astype(kind)
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("A", code, array=stored, bzero=zero or None),
            fits.Column("B", code, array=stored),
        ]
    )
    table.header["TNULL1"] = 5 - zero
    archive.add("a.fits", table)
    with fits_file.open_fits(archive.root / "a.fits", 10**6) as hdus:
        values, whole = hdus[1].read("A"), hdus[1].read("B")
    expected = stored.astype(float)
    expected[5] = np.nan
    np.testing.assert_array_equal(values, expected)
    assert whole.dtype.kind in "iu" or zero
    np.testing.assert_array_equal(whole, stored if not zero else stored.astype("i2"))


def test_undefined_integers_that_are_scaled(archive):
    stored = np.array([3, -7, 11], "i2")
    table = fits.BinTableHDU.from_columns([fits.Column("A", "I", array=stored)])
    table.header.update(TSCAL1=0.5, TZERO1=10.0, TNULL1=-7)
    archive.add("a.fits", table)
    with fits_file.open_fits(archive.root / "a.fits", 10**6) as hdus:
        np.testing.assert_array_equal(hdus[1].read("A"), [11.5, np.nan, 15.5])
