"""The fast way to the headers gives what Astropy gives, or nothing."""

import io
from unittest import mock

import pytest
from astropy.io import fits

from pipeline.ingest.files import headers
from pipeline.ingest.files.fits_file import open_fits
from pipeline.ingest.reject import Rejected


def both(content: bytes):
    """Return what the fast way gives, and what Astropy does, in the same form, without commentary."""
    fast = headers.read(io.BytesIO(content), len(content))
    try:
        with (
            mock.patch.object(headers, "keywords", return_value=None),
            open_fits(io.BufferedReader(io.BytesIO(content)), 10**9) as hdus,
        ):
            slow = [as_tuple(hdu) for hdu in hdus]
    except Rejected:
        slow = None
    assert_opened_alike(content, slow)
    return fast and [as_tuple(hdu) for hdu in fast], slow


def assert_opened_alike(content, slow):
    """Assert that a file is the same, or refused as well, where its plain headers are not read by Astropy."""
    try:
        with open_fits(io.BufferedReader(io.BytesIO(content)), 10**9) as hdus:
            opened = [as_tuple(hdu) for hdu in hdus]
    except Rejected:
        opened = None
    assert repr(opened) == repr(slow)


def as_tuple(hdu):
    commentary = ("", "COMMENT", "HISTORY")
    keywords = {k: v for k, v in hdu.header.items() if k not in commentary}
    return hdu.name, keywords, tuple(hdu.columns)


def assert_same(fast, slow):
    if fast is not None:
        assert repr(fast) == repr(slow)


def test_every_real_file_has_the_headers_that_astropy_reads(shared):
    quick = total = 0
    folders = ("archive", "malformed", "grs1915_pds")
    files = [p for name in folders for p in sorted((shared / name).rglob("*")) if p.is_file()]
    files = [p for p in files if p.suffix != ".pha"] + files[-3:]
    for path in files:
        fast, slow = both(path.read_bytes())
        assert repr(fast or slow) == repr(slow), path
        total += slow is not None
        quick += fast is not None
    assert quick > 0.8 * total


@pytest.fixture
def content(archive, make):
    path = archive.add(
        "a.fits",
        make.table("EVENTS", {"TIME": [1.0, 2.0], "PI": [3, 4]}, make.nicer | {"A": True, "B": -1}),
        make.gti([(0.0, 1.0)], {"C": 1.5e-3, "D": "it's"}),
        fits.ImageHDU(name="more"),
    )
    return path.read_bytes()


def test_an_event_list_is_read_fast(content):
    fast, slow = both(content)
    assert fast is not None
    assert_same(fast, slow)


def test_a_file_that_is_cut_anywhere_is_not_read_fast_unless_astropy_takes_it(content):
    for length in range(0, len(content), 720):
        assert_same(*both(content[:length]))


@pytest.mark.parametrize(
    "card",
    [
        "KEY     = 1.0D3",
        "KEY     = 'a&'",
        "CONTINUE  'more'",
        "HIERARCH a long one = 3",
        "KEY     = 'DP1.X: 2.0'",
        "KEY     = (1, 2)",
        "KEY     =",
        "KEY     = 'open",
        "KEY     = 1 2 / three",
        "key     = 1",
        "KEY 2   = 1",
        "KEY     =1",
        "KEY     = 'a''b  '   / it",
        "KEY     =   T / yes",
        "KEY     = +.5e1",
        "KEY     = \t1",
        "EXTNAME = 5",
        "TTYPE1  = 'other'",
        "NAXIS2  = 1",
        "ZIMAGE  =                    T",
        "XTENSION= 'A3DTABLE'",
        "END     nothing",
        "",
    ],
)
def test_odd_cards_are_read_as_astropy_does_or_left_to_it(content, card):
    for keyword in (b"INSTRUME", b"C       ", b"TIMESYS ", b"TTYPE1  "):
        place = content.index(keyword)
        changed = content[:place] + card.ljust(80).encode() + content[place + 80 :]
        assert_same(*both(changed))
