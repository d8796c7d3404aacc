"""Each mission's dialect comes out as the same seconds, rates and intervals."""

import gzip

import numpy as np
import pytest
from astropy.io import fits

from pipeline.config.ingest import IngestOptions
from pipeline.ingest.read.reader import read_products
from pipeline.status import Flag

SECONDS = np.arange(64.0)


def _rates(make, columns=None, header=None, name="RATE"):
    columns = columns or {"RATE": np.ones(64), "ERROR": np.ones(64)}
    head = make.nicer | {"HDUCLAS1": "LIGHTCURVE", "TIMEDEL": 1.0} | (header or {})
    return make.table(name, {"TIME": (SECONDS, "s")} | columns, head)


def test_timezero_moves_events_and_good_time_alike(archive):
    archive.events(time=[1.0, 2.0, 11.0], header={"TIMEZERO": 3.5}, intervals=[[0.5, 10.0]])
    row = archive.read("a.evt")
    assert row["t_start"] == 4.0
    assert row["time"].tolist() == [0.5, 1.5]
    assert (row["gti_start"][0], row["gti_stop"][0]) == (0.0, 9.5)


def test_good_time_with_an_offset_of_its_own_keeps_it(archive, make):
    events = make.table("EVENTS", {"TIME": ([1.0, 2.0], "s")}, make.nicer | {"TIMEZERO": 100.0})
    archive.add("a.evt", events, make.gti([[0.0, 50.0]], {"TIMEZERO": 90.0}))
    assert archive.read("a.evt")["t_start"] == 90.0


def test_times_from_timezero_with_good_time_from_the_epoch(archive, make):
    """As NuSTAR's light curves: only TIME counts from TIMEZERO."""
    curve = _rates(make, header={"TIMEZERO": 1000.0})
    archive.add("a.lc", curve, make.gti([[1000.0, 1010.5]]))
    row = archive.read("a.lc")
    assert len(row["time"]) == 11
    assert not row["flags"] & Flag.NO_GTI


def test_good_time_from_another_epoch_is_moved_to_that_of_the_data(archive, make):
    events = make.table("EVENTS", {"TIME": ([86401.0, 86409.0], "s")}, make.nicer)
    later = {"MJDREFI": make.nicer["MJDREFI"] + 1, "MJDREFF": make.nicer["MJDREFF"]}
    archive.add("a.evt", events, make.gti([[0.0, 5.0]], later))
    assert archive.read("a.evt")["time"].tolist() == [1.0]


@pytest.mark.parametrize(("timepixr", "first"), [(0.0, 0.5), (0.5, 0.5), (1.0, 0.5)])
def test_bin_centres_whatever_timepixr(archive, make, timepixr, first):
    archive.add("a.lc", _rates(make, header={"TIMEPIXR": timepixr}))
    row = archive.read("a.lc")
    assert row["time"][0] == first
    assert row["t_start"] == -timepixr


def test_times_and_bin_width_in_days(archive, make):
    head = {"TELESCOP": "Kepler", "BJDREFI": 2454833, "BJDREFF": 0.0, "TIMEUNIT": "d"}
    columns = {
        "TIME": (260.0 + SECONDS / 48, "BJD - 2454833"),
        "PDCSAP_FLUX": np.where(SECONDS == 5, np.nan, 1e5),
        "PDCSAP_FLUX_ERR": np.full(64, 10.0),
        "SAP_QUALITY": np.where(SECONDS == 7, 32, np.where(SECONDS == 9, 128, 0)),
    }
    head |= {"TIMEDEL": 1 / 48, "TIMEPIXR": 0.5, "TIMESYS": "TDB"}
    archive.add("a.fits", make.table("LIGHTCURVE", columns, head))
    row = archive.read("a.fits")
    assert row["dt"] == pytest.approx(1800.0)
    assert (row["mjd_ref"], row["mjd_ref_frac"], row["time_system"]) == (54832, 0.5, "TDB")
    assert row["t_start"] == pytest.approx(260 * 86400 - 900)
    assert len(row["time"]) == 62  # a gap and a desaturation are left out, a cosmic ray is not
    assert row["product"] == "lightcurve/kepler/1800s"
    assert not row["counting"]


def test_the_uncorrected_flux_where_there_is_no_corrected_one(archive, make):
    columns = {
        "PDCSAP_FLUX": np.full(64, np.nan),
        "PDCSAP_FLUX_ERR": np.full(64, np.nan),
        "SAP_FLUX": np.full(64, 7.0),
        "SAP_FLUX_ERR": np.full(64, 0.1),
    }
    archive.add("a.fits", _rates(make, columns, name="LIGHTCURVE"))
    row = archive.read("a.fits")
    assert np.all(row["rate"] == 7.0)
    assert row["rate_err"] == pytest.approx(0.1)


def test_xronos_writes_seconds_under_a_time_unit_of_days(archive, make):
    head = {
        "TIMEUNIT": "d",
        "TIMEZERI": 16122,
        "TIMEZERF": 0.5,
        "TIMEDEL": 1 / 86400,
        "CONTENT": "XRONOS OUTPUT",
    }
    columns = {"TIME": (SECONDS, "s"), "RATE1": np.ones(64), "ERROR1": np.ones(64)}
    archive.add("a.lc", make.table("RATE", columns, head))
    row = archive.read("a.lc")
    assert (row["mjd_ref"], row["mjd_ref_frac"]) == (56122, 0.5)
    assert row["t_start"] == pytest.approx(-0.5)
    assert row["dt"] == pytest.approx(1.0)
    assert row["counting"]


def test_one_row_of_long_cells_and_the_first_of_two_bands(archive, make):
    flux = np.column_stack([np.arange(64), -np.arange(64)]).astype("f4")
    columns = {"TIME": (SECONDS[np.newaxis], "s"), "FLUX": flux.reshape(1, 128)}
    archive.add("a.fits", make.table("FLUXES", columns, {"TELESCOP": "GOES 15"}))
    row = archive.read("a.fits")
    assert row["rate"].tolist() == np.arange(64).tolist()
    assert row["flags"] & Flag.NO_TIMEDEL


def test_three_bands_a_row(archive, make):
    rate = np.column_stack([np.ones(64), np.full(64, 2.0), np.full(64, 3.0)]).astype("f4")
    archive.add("a.fits", _rates(make, {"RATE": rate, "RATE_ERR": rate}))
    assert np.all(archive.read("a.fits")["rate"] == 1.0)


def test_counts_become_rates_with_their_exposure_and_background(archive, make):
    columns = {
        "COUNTS": np.full(64, 20, dtype="i4"),
        "STAT_ERR": np.full(64, np.sqrt(20.0)),
        "EXPOSURE": np.where(SECONDS < 4, 0.0, 10.0),
        "NORM_BG_COUNTS": np.full(64, 5.0),
    }
    archive.add(
        "a.lc", _rates(make, columns | {"TIME": (SECONDS * 10, "s")}, header={"TIMEDEL": 10.0})
    )
    row = archive.read("a.lc")
    assert len(row["time"]) == 60
    assert np.all(row["rate"] == 2.0)
    assert row["rate_err"] == pytest.approx(np.sqrt(20.0) / 10)
    assert row["background_rate"] == 0.5
    assert row["counting"]


def test_a_curve_that_the_background_was_taken_off_is_not_counts(archive, make):
    columns = {"RATE": np.ones(64), "ERROR": np.ones(64), "BACKV": np.ones(64)}
    archive.add("a.lc", _rates(make, columns, header={"HDUCLAS2": "NET"}))
    row = archive.read("a.lc")
    assert not row["counting"]
    assert np.isnan(row["background_rate"])


def test_bins_hardly_exposed_are_gaps(archive, make):
    columns = {"RATE": np.ones(64), "ERROR": np.ones(64), "FRACEXP": SECONDS / 64}
    archive.add("a.lc", _rates(make, columns))
    assert len(archive.read("a.lc")["time"]) == 32
    assert len(archive.read("a.lc", min_fracexp=0.0)["time"]) == 64


def test_good_time_per_detector_is_united(archive, make):
    events = make.table("EVENTS", {"TIME": ([1.0, 8.0, 20.0], "s")}, make.nicer)
    chips = [make.gti([[0.0, 5.0]], name="STDGTI01"), make.gti([[4.0, 10.0]], name="STDGTI02")]
    archive.add("a.evt", events, *chips)
    row = archive.read("a.evt")
    assert row["time"].tolist() == [1.0, 8.0]
    assert row["exposure"] == 10.0


def test_good_time_out_of_order_and_overlapping_is_put_right(archive):
    archive.events(time=[1.0, 7.0, 15.0], intervals=[[6.0, 9.0], [0.0, 3.0], [2.0, 4.0]])
    row = archive.read("a.evt")
    assert row["gti_start"].tolist() == [0.0, 6.0]
    assert row["gti_stop"].tolist() == [4.0, 9.0]
    assert row["exposure"] == 7.0


def test_no_good_time_at_all_is_flagged(archive, make):
    archive.add("a.evt", make.table("EVENTS", {"TIME": ([5.0, 9.0], "s")}, make.nicer))
    row = archive.read("a.evt")
    assert row["flags"] == Flag.NO_GTI | Flag.NO_ENERGY
    assert row["exposure"] == 4.0


def test_what_is_not_known_of_a_file_is_flagged(archive, make):
    archive.add("a.evt", make.table("EVENTS", {"TIME": [9.0, 5.0]}), make.gti([[0.0, 10.0]]))
    row = archive.read("a.evt")
    assert row["flags"] == (
        Flag.NO_MJDREF
        | Flag.NOT_BARYCENTRED
        | Flag.UNKNOWN_MISSION
        | Flag.NO_ENERGY
        | Flag.UNSORTED
    )
    assert row["mjd_ref"] == -1


@pytest.mark.parametrize(
    ("columns", "header"),
    [
        ({"ENERGY": (np.array([500.0, 1000.0, 2000.0]), "eV")}, {}),
        ({"ENERGY": (np.array([0.5e-9, 1e-9, 2e-9]), "TeV")}, {}),
        ({"PI": np.array([50, 100, 200])}, {}),
        ({"PI": np.array([500, 1000, 2000])}, {"TELESCOP": "XMM"}),
    ],
)
def test_energies_are_in_kev(archive, make, columns, header):
    time = {"time": (np.array([1.0, 2.0, 3.0]), "s")}
    archive.add("a.evt", make.table("EVENTS", time | columns, make.nicer | header))
    assert archive.read("a.evt")["energy"] == pytest.approx([0.5, 1.0, 2.0])
    row = archive.read("a.evt", band=(0.9, 1.5))
    assert row["time"] == pytest.approx([1.0])
    assert row["product"].endswith("/0.9-1.5keV")
    assert (row["band_lo"], row["band_hi"]) == (0.9, 1.5)


def test_channels_with_their_bounds_in_the_same_file(archive, make):
    bounds = {"CHANNEL": np.arange(3), "E_MIN": np.arange(3.0), "E_MAX": np.arange(1.0, 4.0)}
    events = {"TIME": (np.array([1.0, 2.0]), "s"), "PHA": np.array([2, 0])}
    head = make.nicer | {"TELESCOP": "GLAST"}
    archive.add("a.fit", make.table("EBOUNDS", bounds), make.table("EVENTS", events, head))
    assert archive.read("a.fit")["energy"].tolist() == [2.5, 0.5]


def test_without_energies_the_band_is_not_applied_and_that_is_flagged(archive):
    archive.events(time=[1.0, 2.0])
    row = archive.read("a.evt", band=(0.3, 10.0))
    assert len(row["time"]) == 2
    assert row["flags"] & Flag.NO_ENERGY
    assert row["product"] == "events/nicer/xti"


def test_a_gzipped_file_is_the_same_file(archive, make):
    head = make.nicer | {"HDUCLAS1": "EVENTS"}
    events = make.table("EVENTS", {"TIME": (np.array([1.0, 2.0]), "s")}, head)
    archive.add("plain.evt", events, make.gti([[0.0, 5.0]]))
    archive.add("packed.evt.gz", events, make.gti([[0.0, 5.0]]), compress=True)
    plain, packed = archive.read("plain.evt"), archive.read("packed.evt.gz")
    assert packed["time"].tolist() == plain["time"].tolist()
    assert packed["t_start"] == plain["t_start"]


def test_a_checksum_that_fails_is_a_flag(archive):
    path = archive.events()
    with fits.open(path, mode="update") as hdus:
        hdus[1].add_checksum()
    assert not archive.read("a.evt")["flags"] & Flag.CHECKSUM
    content = bytearray(path.read_bytes())
    at = content.index(b"DATASUM")
    content[at + 11 : at + 14] = b"123"
    path.write_bytes(content)
    row = archive.read("a.evt")
    assert row["flags"] & Flag.CHECKSUM
    assert row["status"] == "ok"


def _power_spectrum(archive, make, column="COUNTS", **header):
    spectrum = {
        "CHANNEL": np.array([1, 2]),
        column: np.array([2.0, 8.0]),
        "STAT_ERR": np.array([0.5, 0.5]),
    }
    bounds = {
        "CHANNEL": np.array([1, 2]),
        "E_MIN": (np.array([0.5, 1.0]), "keV"),
        "E_MAX": (np.array([1.0, 2.0]), "keV"),
    }
    head = {"HDUCLAS1": "SPECTRUM", "POISSERR": False, "RESPFILE": "pds.rmf", **header}
    archive.add("p/a.pha", make.table("SPECTRUM", spectrum, head))
    archive.add("p/pds.rmf", make.table("EBOUNDS", bounds))


def test_a_power_spectrum_with_its_response(archive, make):
    _power_spectrum(archive, make, OBJECT="GRS 1915+105")
    row = archive.read("p/a.pha", spectrum_noise=2.0)
    assert row["power"].tolist() == [6.0, 10.0]
    assert row["power_err"].tolist() == [1.0, 0.5]
    assert (row["frequency_lo"].tolist(), row["frequency_hi"].tolist()) == ([0.5, 1], [1, 2])
    assert (row["noise"], row["norm"], row["product"]) == (2.0, "leahy", "spectrum")
    row = archive.read("p/a.pha", spectrum_noise=None, spectrum_norm="frac")
    assert row["power"].tolist() == [4.0, 8.0]
    assert np.isnan(row["noise"])
    assert row["norm"] == "frac"


def test_a_rate_is_counts_over_the_exposure(archive, make):
    _power_spectrum(archive, make, EXPOSURE=4.0)
    assert archive.read("p/a.pha", spectrum_noise=2.0)["power"].tolist() == [3.0, 4.0]
    _power_spectrum(archive, make, "RATE", EXPOSURE=4.0)
    assert archive.read("p/a.pha", spectrum_noise=2.0)["power"].tolist() == [6.0, 10.0]


def test_the_response_of_the_same_name_takes_the_place_of_one_that_is_not_there(archive, make):
    _power_spectrum(archive, make, RESPFILE="/data/else.rsp")
    assert archive.observations()["p/a.pha"]["status"] == "missing_response"
    (archive.root / "p/pds.rmf").rename(archive.root / "p/a.rsp")
    assert archive.observations()["p/a.pha"]["response"] == "p/a.rsp"
    (archive.root / "p/a.rsp").rename(archive.root / "a.rsp")
    assert archive.observations()["p/a.pha"]["response"] == "a.rsp"


def test_frequencies_in_the_file_of_the_spectrum_need_no_response(archive, make):
    columns = {"CHANNEL": np.array([1, 2]), "RATE": np.array([2.0, 8.0])}
    columns["STAT_ERR"] = np.array([0.5, 0.5])
    bounds = {"CHANNEL": np.array([1, 2]), "E_MIN": np.array([0.5, 1.0])}
    bounds["E_MAX"] = np.array([1.0, 2.0])
    head = {"HDUCLAS1": "SPECTRUM", "POISSERR": False, "RESPFILE": "NONE"}
    tables = make.table("SPECTRUM", columns, head), make.table("EBOUNDS", bounds)
    archive.add("a.pha", *tables)
    row = archive.read("a.pha", spectrum_noise=None)
    assert row["power"].tolist() == [4.0, 8.0]
    archive.add("b.pha", make.table("SPECTRUM", columns, head | {"TELESCOP": "GLAST"}), tables[1])
    assert archive.observations()["b.pha"]["status"] != "ok"  # counts of energies


def test_a_response_elsewhere_in_the_archive_is_found(archive, make):
    _power_spectrum(archive, make)
    (archive.root / "p/pds.rmf").rename(archive.root / "pds.rmf")
    assert archive.observations()["p/a.pha"]["response"] == "pds.rmf"


def test_a_spectrum_whose_response_is_a_detectors_is_one_of_energies(archive, make):
    _power_spectrum(archive, make, TELESCOP="XTE")
    path = archive.root / "p/pds.rmf"
    assert archive.observations()["p/a.pha"]["status"] == "ok"
    with fits.open(path, mode="update") as hdus:
        hdus[1].header["TELESCOP"] = "XTE"
    row = archive.observations()["p/a.pha"]
    assert (row["status"], row["source_id"]) == ("set_aside", "")
    assert "energy spectrum" in row["reason"]


def test_a_file_that_changed_after_the_plan_is_not_read(archive, make):
    path = archive.events()
    entry = archive.entry("a.evt")
    path.write_bytes(gzip.compress(path.read_bytes()))
    (row,) = read_products(entry, archive.root, IngestOptions())
    assert row.status == "inaccessible"
    assert "a.evt has changed" in row.reason
