"""One test a mission or dialect for what no real file in the archive has."""

import warnings

import numpy as np
import pytest
from astropy.io import fits

from pipeline.config.ingest import IngestOptions
from pipeline.ingest.missions import registry
from pipeline.ingest.plan.shard import Entry
from pipeline.ingest.read.reader import read_products
from pipeline.ingest.times import gti
from pipeline.status import Flag

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it recommends numba
    from stingray.mission_support import read_mission_info

SECONDS = np.arange(64.0)
DAYS = SECONDS / 48
STAR = {"TELESCOP": "TESS", "OBJECT": "TIC 1", "TIMEUNIT": "d", "TIMEDEL": 1 / 48}
BTJD = {"BJDREFI": 2457000, "BJDREFF": 0.0, "TIMESYS": "TDB"}


def _star(archive, make, columns, header=None, name="LIGHTCURVE", primary=None):
    table = make.table(name, columns, STAR | (BTJD if header is None else header))
    archive.add("a.fits", table, primary=primary)
    return archive.read("a.fits")


# Stars: the columns that the readers of the missions' high-level products name.


def test_qlp_has_errors_of_the_corrected_flux_only(archive, make):
    columns = {
        "TIME": DAYS,
        "SAP_FLUX": np.full(64, 0.9),
        "KSPSAP_FLUX": np.ones(64),
        "KSPSAP_FLUX_ERR": np.full(64, 0.01),
        "QUALITY": np.where(SECONDS == 3, 128, np.where(SECONDS == 5, 64, 0)).astype("i4"),
    }
    row = _star(archive, make, columns)
    assert np.all(row["rate"] == 0.9)
    assert row["rate_err"] == pytest.approx(0.01)
    assert len(row["time"]) == 63


def test_eleanor_has_the_error_of_the_raw_flux(archive, make):
    columns = {
        "TIME": DAYS,
        "RAW_FLUX": np.full(64, 200.0),
        "FLUX_ERR": np.full(64, 2.0),
        "CORR_FLUX": np.full(64, 100.0),
        "QUALITY": np.zeros(64, dtype="i4"),
    }
    row = _star(archive, make, columns)
    assert np.all(row["rate"] == 100.0)
    assert row["rate_err"] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("flux", "error", "quality", "bad"),
    [
        ("FLUX_CORR", "FLUX_CORR_ERR", "PIXEL_QUALITY", 32),
        ("CAL_PSF_FLUX", None, "TESS_FLAGS", 8),
        ("PSF_FLUX_COR", None, "DQUALITY", 4),
        ("PDCSAP_FLUX", "PDCSAP_FLUX_ERR", "QUALITY", 1),
        ("DET_FLUX", "DET_FLUX_ERR", "QUALITY", 2),
    ],
)
def test_fluxes_and_their_quality(archive, make, flux, error, quality, bad):
    columns = {"TIME": DAYS, flux: np.ones(64), quality: np.zeros(64, dtype="i4")}
    columns[quality][7] = bad
    if error:
        columns[error] = np.full(64, 0.1)
    row = _star(archive, make, columns)
    assert len(row["time"]) == 63
    assert len(row["rate_err"]) == (63 if error else 0)
    assert not row["counting"]


def test_k2sff_counts_from_an_epoch_that_only_the_column_names(archive, make):
    moving = np.where(SECONDS == 4, 1, 0).astype("i4")
    columns = {"T": (DAYS + 2000, "BJD - 2454833"), "FCOR": np.ones(64), "MOVING": moving}
    row = _star(archive, make, columns, {"TELESCOP": "Kepler"}, name="BESTAPER")
    assert (row["mjd_ref"], row["mjd_ref_frac"]) == (54832, 0.5)
    assert row["t_start"] == pytest.approx(2000 * 86400 - 900, abs=1e-3)
    assert len(row["time"]) == 63
    assert not row["flags"] & Flag.NOT_BARYCENTRED


def test_cdips_has_julian_dates_and_letters_for_quality(archive, make):
    letters = np.where(SECONDS == 9, "X", "G")
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("TMID_BJD", "D", array=2458325.25 + DAYS),
            fits.Column("IFL1", "E", array=np.ones(64)),
            fits.Column("IFE1", "E", array=np.full(64, 0.1)),
            fits.Column("IRQ1", "1A", array=letters),
        ]
    )
    table.header["TELESCOP"] = "TESS"
    archive.add("a.fits", table)
    row = archive.read("a.fits")
    assert row["mjd_ref"] == 0
    start = row["mjd_ref"] + row["mjd_ref_frac"] + (row["t_start"] + row["dt"] / 2) / 86400
    assert start == pytest.approx(58324.75, abs=1e-9)
    assert len(row["time"]) == 63
    assert not row["flags"] & Flag.NOT_BARYCENTRED


def test_a_temperature_is_not_taken_for_a_time(archive, make):
    archive.add("a.fits", make.table("MODEL", {"T": np.arange(3.0), "FLUX": np.arange(3.0)}))
    assert archive.scan("a.fits")["status"] == "unrecognised"


# Several bands in a table.


def test_each_band_of_erosita_is_a_product_with_its_counts_and_background(archive, make):
    counts = np.tile([[20, 12, 8]], (64, 1))
    columns = {
        "TIME": (SECONDS * 100, "s"),
        "COUNTS": counts.astype("i4"),
        "RATE": (counts - 1.0) / 100,
        "RATE_ERR": np.sqrt(counts) / 100,
        "BACK_COUNTS": np.full((64, 3), 10.0),
        "FRACEXP": np.where(SECONDS < 32, 0.5, 1.0)[:, np.newaxis] * np.ones(3),
        "BACKRATIO": np.full(64, 0.1),
    }
    bands = {"E_MIN1": 0.2, "E_MAX1": 5, "E_MIN2": 0.2, "E_MAX2": 2.3, "E_MIN3": 2.3, "E_MAX3": 5}
    head = make.nicer | {"TELESCOP": "eROSITA", "TIMEDEL": 100.0, "BACKAPP": False} | bands
    archive.add("a.fits", make.table("RATE", columns, head | {"HDUCLAS1": "LIGHTCURVE"}))
    rows = archive.products("a.fits")
    assert [r["product"].split("/")[3] for r in rows] == ["0.2-5.0keV", "0.2-2.3keV", "2.3-5.0keV"]
    assert rows[1]["rate"][[0, -1]] == pytest.approx([12 / 50, 12 / 100])
    assert rows[1]["rate_err"][0] == pytest.approx(np.sqrt(12) / 50, rel=0.01)
    assert rows[2]["background_rate"] == pytest.approx((0.5 * 1 / 50) + (0.5 * 1 / 100))
    assert not rows[0]["counting"]  # bins are not exposed alike: their errors say the noise


def test_the_two_channels_of_goes_are_bands_by_their_wavelengths(archive, make):
    flux = np.column_stack([np.ones(64), np.full(64, 2.0)]).reshape(1, 128)
    edges = (np.array([[1.0, 8.0, 0.5, 4.0]]), "angstrom")
    archive.add(
        "a.fits",
        make.table("EDGES", {"EDGES": edges}),
        make.table(
            "FLUXES",
            {"TIME": (SECONDS[np.newaxis], "s"), "FLUX": flux},
            {"TELESCOP": "GOES 15", "TIMESYS": "MJD", "MJDREF": 43874, "TIMEZERO": 55719},
        ),
    )
    long, short = archive.products("a.fits")
    assert (long["band_lo"], long["band_hi"]) == pytest.approx((1.5498, 12.398), rel=1e-4)
    assert (short["band_lo"], short["band_hi"]) == pytest.approx((3.0996, 24.797), rel=1e-4)
    assert (long["rate"][0], short["rate"][0]) == (1.0, 2.0)
    assert (long["time_system"], long["mjd_ref"]) == ("TT", 55719)
    assert long["mjd_ref_frac"] * 86400 == pytest.approx(66.184)


def test_series_that_nothing_names_are_numbered(archive, make):
    columns = {"TIME": (SECONDS, "s")}
    for i in (1, 2):
        columns |= {f"RATE{i}": np.full(64, float(i)), f"ERROR{i}": np.full(64, i / 10)}
    archive.add("a.lc", make.table("RATE", columns, make.nicer | {"TIMEDEL": 1.0}))
    rows = archive.products("a.lc")
    assert [r["product"] for r in rows] == [f"lightcurve/nicer/xti/band{i}/1s" for i in (1, 2)]
    assert [r["rate_err"][0] for r in rows] == [0.1, 0.2]


def test_bands_that_would_be_called_the_same_are_numbered(archive, make):
    limits = {"E_MIN1": 0.5, "E_MAX1": 1.01, "E_MIN2": 0.5, "E_MAX2": 1.04}
    rate = np.column_stack([np.ones(64), np.full(64, 2.0)])
    header = {"TIMEDEL": 1.0} | limits
    archive.add("a.lc", make.table("RATE", {"TIME": SECONDS, "RATE": rate}, header))
    one, two = archive.products("a.lc")
    assert (one["product"], two["product"]) == ("lightcurve/band1/1s", "lightcurve/band2/1s")
    assert (one["band_hi"], two["band_hi"]) == (1.01, 1.04)


def test_a_band_without_data_does_not_cost_the_others(archive, make):
    rate = np.column_stack([np.ones(64), np.full(64, np.nan)])
    archive.add("a.lc", make.table("RATE", {"TIME": SECONDS, "RATE": rate}, {"TIMEDEL": 1.0}))
    first, second = archive.rows("a.lc")
    assert (first["status"], second["status"]) == ("ok", "no_data")
    assert second["product"] == "lightcurve/band2/1s"
    assert "HDU 1 (RATE): none of 64 bins" in second["reason"]


# Event lists: each in the layout of its mission's documentation.

LAYOUTS = {
    "Swift XRT": (
        {"TELESCOP": "SWIFT", "INSTRUME": "XRT", "MJDREFI": 51910, "MJDREFF": 7.428703703703703e-4},
        ("EVENTS", "TIME", {"PI": [50, 100, 150], "GRADE": [0, 1, 0]}),
        ["GTI"],
        ((51910, 7.428703703703703e-4), [0.5, 1.0, 1.5]),
    ),
    "Suzaku XIS": (
        {"TELESCOP": "SUZAKU", "INSTRUME": "XIS1", "MJDREFI": 51544, "MJDREFF": 7.4287037037037e-4},
        ("EVENTS", "TIME", {"PI": [100, 200, 300]}),
        ["GTI", "STDGTI"],
        ((51544, 7.4287037037037e-4), [0.365, 0.73, 1.095]),
    ),
    "IXPE": (
        {"TELESCOP": "IXPE", "INSTRUME": "DU2", "MJDREFI": 57754, "MJDREFF": 8.0074074074e-4},
        ("EVENTS", "TIME", {"PI": [50, 100, 200], "W_MOM": [1.0, 0.5, 0.2]}),
        ["GTI"],
        ((57754, 8.0074074074e-4), [2.0, 4.0, 8.0]),
    ),
    "Fermi LAT": (
        {"TELESCOP": "GLAST", "INSTRUME": "LAT", "MJDREFI": 51910, "MJDREFF": 7.428703703703703e-4},
        ("EVENTS", "TIME", {"ENERGY": ([100.0, 200.0, 1e5], "MeV"), "THETA": [0.1, 0.2, 0.3]}),
        ["GTI"],
        ((51910, 7.428703703703703e-4), [1e5, 2e5, 1e8]),
    ),
    "eROSITA": (
        {"TELESCOP": "eROSITA", "INSTRUME": "MERGED", "MJDREF": 51543.875},
        ("EVENTS", "TIME", {"PI": [300, 500, 2300], "TM_NR": [1, 1, 2]}),
        ["GTI1", "GTI2", "GTI3", "FLAREGTI1"],
        ((51543, 0.875), [0.3, 0.5, 2.3]),
    ),
    "XMM EPIC": (
        {"TELESCOP": "XMM", "INSTRUME": "EMOS1", "MJDREF": 50814.0, "TIMEREF": "LOCAL"},
        ("EVENTS", "TIME", {"PI": [300, 500, 2300], "CCDNR": [1, 1, 1], "FLAG": [0, 0, 0]}),
        ["STDGTI01", "STDGTI02", "EXPOSURE01"],
        ((50814, 0.0), [0.3, 0.5, 2.3]),
    ),
    "Insight-HXMT": (
        {"TELESCOP": "HXMT", "INSTRUME": "ME", "MJDREFI": 55927, "MJDREFF": 7.6601852e-4},
        ("Events", "Time", {"PI": [0, 512, 1024], "Det_ID": [1, 2, 3]}),
        ["GTI0"],
        ((55927, 7.6601852e-4), [3.0, 33.0, 63.0]),
    ),
    "XRISM": (
        {"TELESCOP": "XRISM", "INSTRUME": "XTEND", "MJDREFI": 58484, "MJDREFF": 8.0074074074e-4},
        ("EVENTS", "TIME", {"PI": [100, 200, 1000]}),
        ["GTI", "GTIEXPO"],
        ((58484, 8.0074074074e-4), [0.6, 1.2, 6.0]),
    ),
    "INTEGRAL": (
        {"TELESCOP": "INTEGRAL", "INSTRUME": "IBIS", "MJDREF": 51544.0, "TIMEUNIT": "d"},
        ("ISGR-EVTS-ALL", "TIME", {"ISGRI_ENERGY": ([20.0, 30.0, 40.0], "keV"), "RAWX": [1, 2, 3]}),
        ["IBIS-GNRL-GTI"],
        ((51544, 0.0), [20.0, 30.0, 40.0]),
    ),
}


@pytest.mark.parametrize("mission", LAYOUTS)
def test_the_layout_of_a_mission(archive, make, mission):
    header, (name, time, columns), intervals, (epoch, energies) = LAYOUTS[mission]
    header = {"TIMESYS": "TT", "TIMEUNIT": "s", "OBJECT": "Crab", "OBS_ID": "1"} | header
    unit = 1 / 86400 if header["TIMEUNIT"] == "d" else 1.0
    values = {time: (np.array([101.0, 102.0, 104.0]) * unit, header["TIMEUNIT"])}
    for column, cells in columns.items():
        cells, of = cells if isinstance(cells, tuple) else (cells, None)
        values[column] = (np.array(cells), of)
    start, stop = np.array([[100.0, 103.5], [103.0, 105.0]]) * unit
    ends = {"START": (start, header["TIMEUNIT"]), "STOP": (stop, header["TIMEUNIT"])}
    gtis = [make.table(n, ends, header) for n in intervals]
    archive.add("a.fits", make.table(name, values, header), *gtis, primary=header)
    row = archive.read("a.fits")
    assert row["kind"] == "events"
    assert row["time"] == pytest.approx([1.0, 2.0, 4.0], abs=1e-6)
    assert (row["mjd_ref"], row["mjd_ref_frac"]) == pytest.approx(epoch, abs=1e-12)
    assert row["exposure"] == pytest.approx(4.5, abs=1e-6)
    assert row["flags"] == Flag.NOT_BARYCENTRED
    assert row["energy"] == pytest.approx(energies, rel=1e-6)


def _events(make, header=None, **columns):
    columns = {"TIME": (np.array([1.0, 2.0, 3.0]), "s"), **columns}
    return make.table("EVENTS", columns, make.nicer | {"HDUCLAS1": "EVENTS"} | (header or {}))


def test_bands_of_events_are_products_and_one_that_is_empty_says_so(archive, make):
    archive.add("a.evt", _events(make, PI=np.array([50, 150, 160])), make.gti([[0.0, 5.0]]))
    soft, hard, none = archive.rows(
        "a.evt", bands={"soft": (0.3, 1), "hard": (1, 10), "none": (10, 12)}
    )
    assert (soft["time"].tolist(), hard["time"].tolist()) == ([1.0], [2.0, 3.0])
    assert (soft["product"], hard["product"]) == ("events/nicer/xti/soft", "events/nicer/xti/hard")
    assert (hard["band_lo"], hard["band_hi"]) == (1, 10)
    assert (soft["exposure"], hard["exposure"]) == (5.0, 5.0)
    assert (none["status"], none["product"]) == ("no_data", "events/nicer/xti/none")


@pytest.mark.parametrize(
    ("telescope", "instrument", "channel", "kev"),
    [
        ("NuSTAR", "FPMA", 210, 10.02),
        ("XMM", "EPN", 1500, 1.5),
        ("CHANDRA", "ACIS", 101, 1.46),
        ("SWIFT", "XRT", 150, 1.5),
        ("SUZAKU", "XIS0", 1000, 3.65),
        ("IXPE", "DU1", 100, 4.0),
        ("eROSITA", "TM1", 2300, 2.3),
        ("SRG", "EROSITA", 2300, 2.3),
        ("XRISM", "RESOLVE", 12000, 6.0),
        ("HXMT", "LE", 0, 0.1),
    ],
)
def test_the_energy_of_a_channel(archive, make, telescope, instrument, channel, kev):
    header = {"TELESCOP": telescope, "INSTRUME": instrument}
    archive.add("a.evt", _events(make, header, PI=np.full(3, channel)), make.gti([[0.0, 5.0]]))
    row = archive.read("a.evt")
    assert row["energy"] == pytest.approx(kev, rel=1e-4)
    assert not row["flags"] & Flag.UNKNOWN_MISSION


def test_a_detector_without_energies_has_none(archive, make):
    header = {"TELESCOP": "CHANDRA", "INSTRUME": "HRC"}
    archive.add("a.evt", _events(make, header, PI=np.arange(3)), make.gti([[0.0, 5.0]]))
    assert archive.read("a.evt")["flags"] & Flag.NO_ENERGY


def _response(make, telescope="SAX", instrument="MECS", first=1.0, width=1.0):
    bounds = {
        "CHANNEL": np.arange(4),
        "E_MIN": (first + width * np.arange(4.0), "keV"),
        "E_MAX": (first + width * (np.arange(4.0) + 1), "keV"),
    }
    head = {"TELESCOP": telescope, "INSTRUME": instrument, "HDUCLAS1": "RESPONSE"}
    return make.table("EBOUNDS", bounds, head)


def test_energies_from_the_response_in_the_folder(archive, make):
    header = {"TELESCOP": "SAX", "INSTRUME": "MECS"}
    archive.add("s/a.evt", _events(make, header, PI=np.array([0, 1, 9])), make.gti([[0.0, 5.0]]))
    assert archive.read("s/a.evt")["flags"] & Flag.NO_ENERGY
    archive.add("s/mecs.rmf", _response(make))
    archive.add("t/mecs.rmf", _response(make, first=50.0))
    row = archive.read("s/a.evt")
    assert row["energy"][:2].tolist() == [1.5, 2.5]
    assert np.isnan(row["energy"][2])
    archive.add("s/other.rmf", _response(make, first=9.0))  # which of the two?
    assert archive.read("s/a.evt")["flags"] & Flag.NO_ENERGY


def test_energies_from_the_response_that_is_named(archive, make):
    header = {"TELESCOP": "SAX", "INSTRUME": "MECS", "RESPFILE": "mecs2.rmf"}
    archive.add("s/a.evt", _events(make, header, PI=np.array([0, 1, 2])), make.gti([[0.0, 5.0]]))
    archive.add("s/mecs1.rmf", _response(make))
    archive.add("cal/mecs2.rmf", _response(make, first=7.0))
    assert archive.read("s/a.evt")["energy"].tolist() == [7.5, 8.5, 9.5]


@pytest.mark.parametrize(
    ("width", "energies"),
    [(0.0105, [0.30525, 0.31575]), (0.01, [0.305, 0.315]), (0.05, [0.0, 0.01])],
)
def test_a_response_comes_before_the_scale_of_its_mission_where_it_has_its_channels(
    archive, make, width, energies
):
    header = {"TELESCOP": "NICER", "INSTRUME": "XTI"}
    archive.add("s/a.evt", _events(make, header, PI=np.array([0, 1, 3])), make.gti([[0.0, 5.0]]))
    archive.add("s/ni.rmf", _response(make, "NICER", "XTI", first=0.3, width=width))
    assert archive.read("s/a.evt")["energy"][:2] == pytest.approx(energies)


def test_a_broken_response_leaves_the_scale_of_the_mission_and_otherwise_is_said(archive, make):
    for telescope, instrument in (("NICER", "XTI"), ("SAX", "MECS")):
        folder, header = telescope.lower(), {"TELESCOP": telescope, "INSTRUME": instrument}
        archive.add(
            f"{folder}/a.evt", _events(make, header, PI=np.arange(3)), make.gti([[0.0, 5.0]])
        )
        archive.add(f"{folder}/a.rmf", _response(make, telescope, instrument, width=0.0105))
    entries = {file: Entry.of_found(one) for file, one in archive.complete().items()}
    for file in archive.root.glob("*/a.rmf"):
        file.write_bytes(file.read_bytes()[:-2880])  # after it was looked at
    nicer, sax = (
        read_products(entries[f"{t}/a.evt"], archive.root, IngestOptions())
        for t in ("nicer", "sax")
    )
    assert nicer[0].energy == pytest.approx([0.0, 0.01, 0.02])
    assert sax[0].status == "inaccessible"
    assert "sax/a.rmf" in sax[0].reason


def test_good_time_is_that_of_the_chips_with_events(archive, make):
    events = _events(make, {"TELESCOP": "XMM", "INSTRUME": "EPN"}, CCDNR=np.array([4, 4, 5]))
    tables = [make.gti([[10.0 * n, 10.0 * n + 5]], name=f"STDGTI{n:02d}") for n in (1, 4, 5)]
    tables[1] = make.gti([[0.0, 4.0]], name="STDGTI04")
    archive.add("a.evt", events, *tables)
    row = archive.read("a.evt")
    assert row["exposure"] == 9.0  # chips 4 and 5, not 1
    assert row["time"].tolist() == [1.0, 2.0, 3.0]


def test_dead_time_is_told(archive, make):
    good = make.gti([[0.0, 5.0]])
    archive.add("a.evt", _events(make, {"DEADC": 0.6}), good)
    archive.add("b.evt", _events(make, {"DEADC": 0.6, "DEADAPP": True}), good)
    archive.add("c.evt", _events(make), good)
    dead, corrected, unknown = (archive.read(f"{n}.evt") for n in "abc")
    assert dead["live_fraction"] == corrected["live_fraction"] == 0.6
    assert dead["flags"] & Flag.DEAD_TIME
    assert not corrected["flags"] & Flag.DEAD_TIME
    assert np.isnan(unknown["live_fraction"])


def test_every_mission_of_xselect_is_known_with_its_good_time():
    for name, about in read_mission_info().items():
        if isinstance(about, dict) and "gti" in about:
            assert registry.mission_of(name.lower()), name
            assert gti.standard([about["gti"]]) == [0], name


def test_a_line_of_an_instrument_comes_before_that_of_its_mission():
    for index, line in enumerate(registry.MISSIONS):
        assert registry.mission_of(line.name, line.instrument) is line
        assert line.source
        assert index == registry.MISSIONS.index(line)


def test_a_new_mission_is_one_line(archive, make, monkeypatch):
    header = {"TELESCOP": "NEWSAT", "INSTRUME": "CAM-2"}
    archive.add("a.evt", _events(make, header, PI=np.array([0, 10, 50])), make.gti([[0.0, 5.0]]))
    unknown = archive.read("a.evt")
    assert unknown["flags"] & Flag.UNKNOWN_MISSION
    assert len(unknown["energy"]) == 0
    line = registry.Mission("newsat", "cam", (0.1, 0.02), source="NewSat handbook, table 3")
    monkeypatch.setattr(registry, "MISSIONS", (*registry.MISSIONS, line))
    known = archive.read("a.evt")
    assert not known["flags"] & Flag.UNKNOWN_MISSION
    assert known["energy"] == pytest.approx([0.1, 0.3, 1.1])
    assert known["product"] == "events/newsat/cam-2"


# Sound files that are no observation.


@pytest.mark.parametrize(
    ("name", "columns", "header", "what"),
    [
        ("TARGETTABLES", ("TIME", "RAW_CNTS", "FLUX"), {}, "target pixels"),
        ("PIXELS", ("TIME", "RAW_CNTS", "FLUX", "QUALITY"), {}, "target pixels"),
        ("ATTITUDE", ("TIME", "QPARAM", "COUNTS"), {}, "an attitude file"),
        ("ASPSOL", ("TIME", "RA", "DEC", "ROLL"), {"HDUCLAS1": "ASPSOL"}, "an attitude file"),
        ("SC_DATA", ("START", "STOP", "SC_POSITION"), {}, "a spacecraft or orbit file"),
        ("ORBIT", ("TIME", "POSITION", "VELOCITY"), {}, "a spacecraft or orbit file"),
        ("HK", ("TIME", "TEMP1"), {"HDUCLAS1": "TEMPORALDATA"}, "a housekeeping file"),
        ("PREFILTER", ("TIME", "ELV", "SAA"), {}, "a spacecraft or orbit file"),
        ("FILTER", ("TIME", "ELV", "BR_EARTH"), {}, "a filter file"),
        ("BADPIX", ("RAWX", "RAWY"), {}, "bad pixels"),
        ("STDGTI", ("START", "STOP"), {"HDUCLAS1": "GTI"}, "good time intervals"),
        ("SRCLIST", ("RA", "DEC", "ML_ID_SRC"), {}, "a list of sources"),
    ],
)
def test_tables_that_are_no_observation_are_set_aside_by_kind(
    archive, make, name, columns, header, what
):
    archive.add("a.fits", make.table(name, {c: np.zeros(3) for c in columns}, header))
    row = archive.scan("a.fits")
    assert (row["status"], row["reason"]) == ("set_aside", f"{what}: not an observation")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"%PDF-1.4\n", "a PDF document"),
        (b"\x89PNG\r\n\x1a\n", "a picture (PNG)"),
        (b"Processed by version 6.29 on 2020-01-01\nSee https://example.org\n", "a text"),
        (b"d41d8cd98f00b204e9800998ecf8427e  a.fits\n", "a text"),
    ],
)
def test_what_lies_beside_data_is_set_aside(archive, content, what):
    (archive.root / "a").write_bytes(content)
    row = archive.scan("a")
    assert (row["status"], row["reason"]) == ("set_aside", f"{what}: not an observation")
