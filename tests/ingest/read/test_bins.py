"""The light curves of a table, with errors, exposures, quality, background and band of each."""

import math

import numpy as np
import pytest

from pipeline.ingest.files.ecsv import EcsvHdu
from pipeline.ingest.hdu import Hdu
from pipeline.ingest.missions import registry
from pipeline.ingest.missions.band import Band
from pipeline.ingest.read.bins import bad_events, bands_of, of_array, of_table
from pipeline.ingest.reject import Rejected
from pipeline.status import Flag

DT = 2.0


class _Table(EcsvHdu):
    """A table in memory whose columns have numbers, as those of FITS."""

    number = Hdu.number


def _table(header=None, units=None, name="RATE", **columns):
    values = {key: np.asarray(column) for key, column in columns.items()}
    return _Table(name, header or {}, tuple(values), values, units or {})


def _curves(hdu, known=None, bands=()):
    return of_table(hdu, len(next(iter(hdu.values.values()))), DT, known, bands)


def test_a_table_without_a_column_of_rates_has_no_light_curve():
    with pytest.raises(Rejected, match="no column with a rate"):
        _curves(_table(TIME=[0.0, 2.0]))


def test_counts_become_rates_by_the_width_of_a_bin_and_their_exposure():
    counts, exposed = np.array([8.0, 4.0, 6.0]), np.array([1.0, 0.5, 0.75])
    (even,) = _curves(_table(COUNTS=counts))
    assert even.rate.tolist() == [4.0, 2.0, 3.0]
    assert even.counting is True
    (uneven,) = _curves(_table(COUNTS=counts, FRACEXP=exposed))
    assert uneven.rate.tolist() == [4.0, 4.0, 4.0]
    assert uneven.rate_err == pytest.approx(np.sqrt(counts) / (DT * exposed))
    assert uneven.counting is None  # the errors will tell


def test_a_rate_in_counts_a_second_that_are_whole_gets_the_errors_of_counts():
    rate = np.array([4.0, 2.5, 0.0])
    (told,) = _curves(_table(RATE=rate, units={"RATE": "count/s"}))
    assert told.rate_err == pytest.approx(np.sqrt(rate / DT))
    (silent,) = _curves(_table(RATE=rate))
    assert len(silent.rate_err) == 0


def test_cells_with_several_values_are_bands_that_are_named_or_numbered():
    rate = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    soft, hard = _curves(_table(RATE=rate, ERROR=rate / 10), bands=())
    assert (soft.band.label, hard.band.label) == ("band1", "band2")
    assert hard.rate.tolist() == [10.0, 20.0, 30.0]
    assert hard.rate_err == pytest.approx([1.0, 2.0, 3.0])
    bands = [Band(0.3, 1.0, "soft"), Band(1.0, 10.0, "hard")]
    assert [one.band for one in _curves(_table(RATE=rate), bands=bands)] == bands


def test_an_error_of_the_raw_flux_is_scaled_to_the_corrected_one():
    (curve,) = _curves(_table(CORR_FLUX=[2.0, 4.0], RAW_FLUX=[1.0, 0.0], FLUX_ERR=[0.1, 0.1]))
    assert curve.rate_err[0] == pytest.approx(0.2)
    assert math.isnan(curve.rate_err[1])


@pytest.mark.parametrize(
    ("mission", "bad"), [("tess", [False, True, False]), ("", [False, True, True])]
)
def test_bits_of_quality_are_those_of_the_mission_or_all(mission, bad):
    known = registry.mission_of(mission)
    table = _table(PDCSAP_FLUX=[1.0, 2.0, 3.0], QUALITY=np.array([0, 1, 1 << 10]))
    (curve,) = _curves(table, known)
    assert curve.bad.tolist() == bad
    assert curve.left_out == (f"{sum(bad)} bad by QUALITY",)


def test_quality_that_is_not_understood_is_a_flag_and_no_bin_is_bad():
    (curve,) = _curves(_table(RATE=[1.0, 2.0], QUALITY=np.array([0.3, 0.7])))
    assert Flag.QUALITY_UNKNOWN in curve.flags
    assert not curve.bad.any()


def test_numbers_that_stand_for_no_value_are_left_out_and_named():
    rate = np.concatenate([[-999.0, -999.0], np.linspace(10, 11, 50)])
    (curve,) = _curves(_table(RATE=rate))
    assert np.isnan(curve.rate[:2]).all()
    assert Flag.STAND_INS in curve.flags
    assert curve.left_out == ("2 with -999 in RATE",)


def test_the_background_is_the_mean_over_the_bins_that_are_used():
    columns = {"RATE": [5.0, np.nan, 7.0], "BACKV": [1.0, 100.0, 3.0]}
    (curve,) = _curves(_table(**columns))
    assert curve.background_rate == 2.0
    (alone,) = _curves(_table(RATE=[5.0, 6.0]))
    assert math.isnan(alone.background_rate)


def test_events_are_bad_only_by_a_column_that_the_configuration_names():
    assert bad_events(_table(name="EVENTS", TIME=[1.0], QUALITY=np.array([1])), None) is None


def test_a_science_array_is_added_over_detectors_and_its_rows_put_one_after_another():
    cells = np.arange(8).reshape(2, 4)
    header = {"1CDLT1": 0.5, "1CTYP1": "TIME", "1CDLT2": 0.5, "1CTYP2": "TIME"}
    table = _table(header, name="XTE_SA", XECNTPCU0=cells, XECNTPCU1=cells)
    array = of_array(table, 2.0, math.nan, [])
    assert (array.dt, array.bins) == (0.5, 4)
    (series,) = array.series
    assert series.rate.tolist() == (2 * np.arange(8) / 0.5).tolist()
    assert series.counting is True


@pytest.mark.parametrize(
    ("timedel", "band", "words"),
    [
        (None, [], "no column of counts with a time resolution"),
        (2.0, [Band(2.0, 10.0, "x")], "which channels are in 2-10 keV is not said"),
    ],
)
def test_a_science_array_that_cannot_be_read_says_why(timedel, band, words):
    table = _table(name="XTE_SA", XECNT=np.ones((2, 4)))
    if not timedel:
        table = _table(name="XTE_SA")
    with pytest.raises(Rejected, match=words):
        of_array(table, timedel, math.nan, band)


def test_bands_by_wavelengths_in_a_table_of_edges_or_by_keywords():
    edges = EcsvHdu("", {}, ("EDGES",), {"EDGES": np.array([[1.0, 8.0]])}, {"EDGES": "Angstroms"})
    (band,) = bands_of([edges], {}, "goes", "xrs", "x")
    assert band.label == "1.5-12.4keV"
    (band,) = bands_of([], {"E_MIN": 2.0, "E_MAX": 10.0}, "", "", "x")
    assert (band.lo, band.hi) == (2.0, 10.0)
