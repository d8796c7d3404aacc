"""RXTE/PCA: bits of events, channels of arrays, energies by epoch."""

import warnings

import numpy as np
import pytest
from astropy.io import fits

from pipeline.ingest.missions import rxte
from pipeline.status import Flag

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it recommends numba
    from stingray.mission_support.rxte import _decode_energy_channels, pca_calibration_func

XTE = {
    "TELESCOP": "XTE",
    "INSTRUME": "PCA",
    "OBS_ID": "40805-01-02-000",
    "OBJECT": "CYG_X-1",
    "MJDREFI": 49353,
    "MJDREFF": 0.000696574074,
    "TIMESYS": "TT",
    "TIMEREF": "LOCAL",
    "TIMEUNIT": "s",
    "TIMEZERO": 3.37,
}
START = 200_000_000.0
"""May 2000: gain epoch 5 but for the propane layer of PCU 0, which was lost on 13 May."""

TEVTB2 = "(M[1]{1},D[0:4]{3},C[0~4,5~6,7,8~15]{2},T[0.0:0.0078125;0.0001220703125]{2})^(M[127]{8})"
GROUPS = [(0, 4), (5, 6), (7, 7), (8, 15)]


def test_channels_are_those_that_stingray_reads():
    assert (
        rxte.channel_groups(TEVTB2)
        == _decode_energy_channels("(M[1]{1},C[0~4,5~6,7,8~15]{2})")
        == GROUPS
    )
    assert rxte.channel_groups("(M[1]{1},C[0:255]{8})")[-1] == (255, 255)
    assert rxte.channel_groups("(M[1]{1})") == rxte.channel_groups("C[0~x]") == []


def test_standard_2_has_129_groups_of_all_channels():
    groups = rxte.standard_2_groups()
    assert len(groups) == 129
    assert [a for a, _ in groups[1:]] == [b + 1 for _, b in groups[:-1]]
    assert (groups[0], groups[50], groups[-1]) == ((0, 4), (54, 55), (250, 255))


@pytest.mark.parametrize("mjd", [50100.0, 51000.0, 53000.0])
def test_energies_are_those_of_stingray(mjd):
    channel, detector = np.array([10, 100, 255]), np.array([0, 1, 4])
    expected = pca_calibration_func(mjd)(channel, detector)
    assert rxte.energies(channel, detector, mjd) == pytest.approx(expected)


def _bits(*rows):
    return np.array([[c == "1" for c in row.replace(" ", "")] for row in rows])


def test_bits_of_an_event_are_its_marker_detector_and_channel():
    bits = _bits("1 010 11 00", "0 000 00 01", "1 100 01 10")
    fields = rxte.event_fields(bits, TEVTB2)
    photon, group, detector = fields.photon, fields.group, fields.detector
    assert photon.tolist() == [True, False, True]
    assert group[photon].tolist() == [3, 1]
    assert detector[photon].tolist() == [2, 4]


def _events(columns):
    table = [fits.Column("Time", "D", "s", array=START + np.arange(3.0)), *columns]
    hdu = fits.BinTableHDU.from_columns(table, name="XTE_SE")
    hdu.header.update(XTE | {"TIMEDEL": 2.0**-13, "TIMEPIXR": 0, "TEVTB2": TEVTB2})
    return hdu


def test_science_events_as_they_come_are_photons_with_energies(archive):
    bits = _bits("1 010 11 00", "0 000 00 01", "1 100 01 10")
    archive.add("FS4f.evt", _events([fits.Column("Event", "8X", array=bits)]))
    row = archive.read("FS4f.evt")
    assert row["time"].tolist() == [0.0, 2.0]
    expected = pca_calibration_func(51668)(np.array([11, 5]), np.array([2, 4]))
    assert row["energy"] == pytest.approx(expected, rel=1e-6)
    bands = archive.read("FS4f.evt", band=(3.0, 100.0))
    assert len(bands["time"]) == int((expected >= 3.0).sum()) == 1


@pytest.mark.parametrize(
    ("form", "header"),
    [
        ("8X", {"MJDREFI": 0}),  # RXTE did not fly then
        ("8X", {"TEVTB2": "(M[1]{1},C[0~x]{8})"}),
        ("8X", {"INSTRUME": "HEXTE"}),
        ("1I", {}),
    ],
)
def test_events_that_cannot_be_decoded_have_no_energies(archive, form, header):
    cells = _bits(*["1 010 11 00"] * 3) if form == "8X" else np.arange(3)
    table = _events([fits.Column("Event", form, array=cells)])
    table.header.update(header)
    archive.add("a.evt", table)
    row = archive.read("a.evt")
    assert row["time"].tolist() == [0.0, 1.0, 2.0]
    assert row["flags"] & Flag.NO_ENERGY


def test_decoded_events_have_their_group_in_pha(archive):
    columns = [
        fits.Column("PCUID", "B", array=[0, 1, 2]),
        fits.Column("PHA", "B", array=[3, 3, 0]),
    ]
    archive.add("decoded.evt", _events(columns))
    row = archive.read("decoded.evt")
    expected = pca_calibration_func(51668)(np.array([11, 11, 2]), np.array([0, 1, 2]))
    assert row["energy"] == pytest.approx(expected, rel=1e-6)


def _array(columns, **header):
    hdu = fits.BinTableHDU.from_columns(columns, name="XTE_SA")
    hdu.header.update(XTE | {"HDUCLAS1": "ARRAY", "TIMEPIXR": 0.0} | header)
    return hdu


def _standard_1(rows=2, bins=1024):
    counts = np.arange(rows * bins).reshape(rows, bins) % 97
    columns = [fits.Column("Time", "D", "s", array=START + 128.0 * np.arange(rows))]
    columns += [fits.Column(f"XeCntPcu{i}", f"{bins}I", array=counts * (i != 3)) for i in range(5)]
    columns += [fits.Column("VLECnt", f"{bins}I", array=counts)]
    steps = {f"1CDLT{i}": 0.125 for i in range(2, 8)} | {f"1CTYP{i}": "TIME" for i in range(2, 8)}
    return _array(columns, TIMEDEL=128.0, DATAMODE="Standard1b", **steps), counts


def test_standard_1_is_a_light_curve_of_an_eighth_of_a_second(archive, make):
    table, counts = _standard_1()
    archive.add("FS46.lc", table, make.gti([[START, START + 256.0]], XTE, name="STDGTI"))
    row = archive.read("FS46.lc")
    assert (row["dt"], len(row["rate"]), row["counting"]) == (0.125, 2048, True)
    assert row["rate"] == pytest.approx(4 * counts.ravel() / 0.125)
    assert row["t_start"] == pytest.approx(START + 3.37)
    assert row["time"][:2].tolist() == pytest.approx([0.0625, 0.1875])
    assert row["exposure"] == pytest.approx(256.0)
    assert row["product"] == "lightcurve/xte/pca/0.125s"


def _standard_2(rows=4):
    spectrum = np.tile(np.arange(129), (rows, 1))
    columns = [fits.Column("Time", "D", "s", array=START + 16.0 * np.arange(rows))]
    columns += [fits.Column("X1LSpecPcu0", "129I", array=spectrum)]
    columns += [fits.Column("X2RSpecPcu2", "129I", array=spectrum)]
    columns += [fits.Column("VpX1LCntPcu0", "1I", array=np.full(rows, 999))]
    named = {"1CTYP2": "CHANNEL", "1CTYP3": "CHANNEL", "1CDLT2": 1.0, "1CDLT3": 1.0}
    return _array(columns, TIMEDEL=16.0, DATAMODE="Standard2f", **named)


def test_standard_2_adds_channels_in_bands_of_energy(archive):
    archive.add("FS4a.lc", _standard_2())
    row = archive.read("FS4a.lc")
    assert row["rate"].tolist() == [2 * sum(range(129)) / 16] * 4
    assert (row["dt"], row["product"]) == (16.0, "lightcurve/xte/pca/16s")
    soft, hard = archive.products("FS4a.lc", bands={"soft": (2, 6), "hard": (6, 20)})
    assert [r["product"] for r in (soft, hard)] == [
        "lightcurve/xte/pca/soft/16s",
        "lightcurve/xte/pca/hard/16s",
    ]
    middle = rxte.group_channels(rxte.standard_2_groups())
    total = 0
    for pcu in (0, 2):
        energy = rxte.energies(middle, pcu, 51667.8)
        total += np.arange(129)[(energy >= 2) & (energy < 6)].sum()
    assert soft["rate"][0] == pytest.approx(total / 16)
    assert (soft["band_lo"], soft["band_hi"]) == (2, 6)


def test_a_binned_mode_has_time_along_the_last_axis_and_channels_before(archive):
    counts = np.arange(2 * 3 * 8).reshape(2, 3, 8)
    columns = [
        fits.Column("Time", "D", "s", array=START + 2.0 * np.arange(2)),
        fits.Column("XeCnt", "24I", dim="(8,3)", array=counts),
    ]
    named = {"1CTYP2": "TIME", "1CDLT2": 0.25, "TDDES2": "(E[X1L^X1R]&C[0~4,5~20,21~255])"}
    archive.add("FS37.lc", _array(columns, TIMEDEL=2.0, **named))
    row = archive.read("FS37.lc")
    assert row["rate"].tolist() == (counts.sum(axis=1).ravel() / 0.25).tolist()
    (soft,) = archive.products("FS37.lc", bands={"soft": (0.5, 3.0)})
    assert soft["rate"].tolist() == (counts[:, 0].ravel() / 0.25).tolist()
    soft, none = archive.rows("FS37.lc", bands={"soft": (0.5, 3.0), "none": (500, 600)})
    assert (soft["status"], none["status"]) == ("ok", "no_data")
    with pytest.raises(AssertionError, match="no channel lies in the band"):
        archive.products("FS37.lc", bands={"none": (500, 600)})


def test_a_time_lag_histogram_is_set_aside(archive):
    columns = [
        fits.Column("Time", "D", "s", array=START + np.arange(2.0)),
        fits.Column("XeLag", "8I", array=np.ones((2, 8))),
    ]
    archive.add("FS3b.fits", _array(columns, TIMEDEL=16.0))
    row = archive.scan("FS3b.fits")
    assert (row["status"], row["reason"]) == (
        "set_aside",
        "a time-lag histogram: not an observation",
    )
