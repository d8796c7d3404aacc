"""Claims about the files: what was simulated is what a reader of the dialect gets."""

import io

import numpy as np
import pytest
from astropy.io import fits

from pipeline.simulate import damage, dialects

TARGET = dialects.Target("SIM J0001+0102", 0.25, 1.0333, "1000000001")
GTI = np.array([[1e8, 1e8 + 20.0], [1e8 + 25.0, 1e8 + 50.0]])


def written_and_read(hdus):
    """Send HDUs through bytes, as through a file."""
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    return fits.open(io.BytesIO(buffer.getvalue()))


@pytest.mark.parametrize("time_zero", [0.0, 3.378])
def test_events_and_intervals_come_back_with_timezero(time_zero):
    time = 1e8 + np.sort(np.random.default_rng(1).uniform(0.0, 20.0, 1000))
    pi = np.arange(1000) % 1200
    hdus = written_and_read(dialects.event_list(TARGET, time, pi, GTI, time_zero=time_zero))
    header = hdus["EVENTS"].header
    assert header["TIMEZERO"] == hdus["GTI"].header["TIMEZERO"] == time_zero
    np.testing.assert_allclose(hdus["EVENTS"].data["TIME"] + time_zero, time, rtol=0, atol=1e-7)
    np.testing.assert_allclose(hdus["GTI"].data["STOP"] + time_zero, GTI[:, 1], rtol=0, atol=1e-7)
    np.testing.assert_array_equal(hdus["EVENTS"].data["PI"], pi)
    assert (header["TELESCOP"], header["OBJECT"]) == ("NICER", TARGET.name)
    assert (header["TIMESYS"], header["TIMEREF"]) == ("TDB", "SOLARSYSTEM")
    assert header["EXPOSURE"] == pytest.approx(45.0)


def curve():
    """Return a light curve of ten bins of 5 s with a gap."""
    time = 1e8 + 5.0 * (np.arange(10) + 0.5)
    rate = np.array([3.0, 4, 5, 4, np.nan, 3, 2, 3, 4, 5])
    fracexp = np.where(np.isnan(rate), 0.0, 1.0)
    return time, rate, np.sqrt(rate / 5.0), fracexp


def test_xmm_keeps_a_row_for_every_bin_and_gives_centres():
    time, rate, error, fracexp = curve()
    hdus = written_and_read(dialects.rate_curve_xmm(TARGET, time, rate, error, fracexp, GTI, 5.0))
    table, header = hdus["RATE"].data, hdus["RATE"].header
    np.testing.assert_array_equal(table["TIME"], time)
    np.testing.assert_array_equal(table["RATE"], rate.astype(np.float32))
    np.testing.assert_array_equal(table["FRACEXP"], fracexp)
    assert (header["TIMEDEL"], header["TIMEPIXR"], header["MJDREF"]) == (5.0, 0.5, 50814.0)
    assert (header["HDUCLASS"], header["HDUCLAS1"]) == ("OGIP", "LIGHTCURVE")
    assert len(hdus["SRC_GTIS"].data) == 2


def test_rxte_leaves_gaps_out_and_gives_leading_edges():
    time, rate, error, fracexp = curve()
    hdus = written_and_read(dialects.rate_curve_xte(TARGET, time, rate, error, fracexp, GTI, 5.0))
    table, header = hdus["RATE"].data, hdus["RATE"].header
    assert (header["TIMEPIXR"], header["MJDREFI"], "MJDREF" in header) == (0.0, 49353, False)
    np.testing.assert_array_equal(table["TIME"] + 0.5 * header["TIMEDEL"], np.delete(time, 4))
    np.testing.assert_array_equal(table["RATE"], np.delete(rate, 4))


def test_kepler_counts_days_from_its_own_epoch():
    time = 1e7 + 1765.463 * (np.arange(20) + 0.5)
    flux = np.linspace(99.0, 101.0, 20)
    flux[7] = np.nan
    quality = np.where(np.isnan(flux), 32, 0)
    hdus = written_and_read(
        dialects.kepler_curve(TARGET, 10_000_001, time, flux, 0.1 + 0 * flux, quality, 1765.463)
    )
    table, header = hdus["LIGHTCURVE"].data, hdus["LIGHTCURVE"].header
    np.testing.assert_allclose(table["TIME"] * 86400.0, time, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(table["PDCSAP_FLUX"], flux.astype(np.float32))
    assert table["SAP_QUALITY"][7] == 32
    assert (header["BJDREFI"], header["TIMEUNIT"]) == (2454833, "d")
    assert header["TIMEDEL"] * 86400.0 == pytest.approx(1765.463)
    assert header["TSTOP"] - header["TSTART"] == pytest.approx(20 * 1765.463 / 86400.0)
    assert "OBS_ID" not in header


def test_xspec_files_give_back_power_ordinates_and_frequencies():
    edges = np.geomspace(0.1, 10.0, 31)
    power, n = np.linspace(8.0, 2.0, 30), np.arange(10, 40)
    pha = written_and_read(dialects.power_spectrum(TARGET, power, n, edges, "a.rmf"))["SPECTRUM"]
    rmf = written_and_read(dialects.response(edges))
    width = rmf["EBOUNDS"].data["E_MAX"] - rmf["EBOUNDS"].data["E_MIN"]
    np.testing.assert_allclose(rmf["EBOUNDS"].data["E_MIN"], edges[:-1])
    np.testing.assert_allclose(pha.data["COUNTS"] / width + 2.0, power)
    np.testing.assert_allclose((power / (pha.data["STAT_ERR"] / width)) ** 2, n)
    assert (pha.header["RESPFILE"], pha.header["POISSERR"]) == ("a.rmf", False)
    np.testing.assert_array_equal(pha.data["CHANNEL"], rmf["MATRIX"].data["F_CHAN"])


def test_no_file_holds_the_date_it_was_written():
    for hdus in (
        dialects.response(np.arange(1.0, 5.0)),
        dialects.rate_curve_xmm(TARGET, *curve(), GTI, 5.0),
    ):
        assert not any(
            card.startswith("DATE") for hdu in written_and_read(hdus) for card in hdu.header
        )


def test_damage_keeps_the_header_and_spoils_the_data():
    events = dialects.event_list(TARGET, GTI[:, 0], np.array([100, 200]), GTI)
    blind = written_and_read(damage.without_times(events))
    assert np.all(np.isnan(blind["EVENTS"].data["TIME"]))
    assert np.all(np.isfinite(events["EVENTS"].data["TIME"]))
    light_curve = dialects.rate_curve_xmm(TARGET, *curve(), GTI, 5.0)
    timeless = written_and_read(damage.without_time_column(light_curve))
    assert timeless[1].columns.names == ["RATE", "ERROR", "FRACEXP"]
    assert not {"TIMEDEL", "TSTART"} & set(timeless[1].header)
    spectrum = dialects.power_spectrum(TARGET, np.ones(3), np.ones(3), np.arange(1.0, 5.0), "a.rmf")
    lost = damage.without_response(spectrum)
    assert lost[1].header["RESPFILE"] != spectrum[1].header["RESPFILE"] == "a.rmf"
    for damaged in (blind, timeless, lost):
        assert damaged[1].header["OBJECT"] == TARGET.name
    assert damage.cut_short(b"0123456789") == b"012345"
    assert damage.error_page().startswith(b"<!DOCTYPE html>")
