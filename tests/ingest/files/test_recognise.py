"""A file is what its tables are, not what it is called."""

import pytest

from pipeline.ingest.files.recognise import Hdu, recognise
from pipeline.ingest.reject import Rejected

PRIMARY = Hdu("PRIMARY", {"NAXIS": 0})


def _table(columns, name="", **header):
    return Hdu(name, header, tuple(columns.split()))


@pytest.mark.parametrize(
    ("hdu", "kind"),
    [
        (_table("TIME", HDUCLAS1="EVENTS"), "events"),
        (_table("TIME PHA PCUID", "XTE_SE", HDUCLAS1="EVENT"), "events"),
        (_table("TIME PI"), "events"),
        (_table("TIME CHANNEL LAYER ENERGY", "event file"), "events"),
        (_table("TIME RATE ERROR", HDUCLAS1="LIGHTCURVE"), "lightcurve"),
        (_table("TIME XAX_E RATE1 ERROR1", HDUCLAS1="LIGHT CURVE"), "lightcurve"),
        (_table("TIME SAP_FLUX PDCSAP_FLUX"), "lightcurve"),
        (_table("TIME FLUX", "FLUXES"), "lightcurve"),
        (_table("CHANNEL COUNTS STAT_ERR", HDUCLAS1="SPECTRUM"), "spectrum"),
        (_table("CHANNEL E_MIN E_MAX", "EBOUNDS"), "response"),
    ],
)
def test_each_dialect_is_recognised(hdu, kind):
    found = recognise([PRIMARY, hdu])
    assert (found.kind, found.index) == (kind, 1)


def test_an_observation_is_found_among_tables_of_other_kinds():
    ebounds = _table("CHANNEL E_MIN E_MAX", "EBOUNDS", HDUCLAS1="RESPONSE")
    intervals = _table("START STOP", "GTI", HDUCLAS1="GTI")
    events = _table("TIME PHA", "EVENTS", HDUCLAS1="EVENTS")
    assert recognise([PRIMARY, ebounds, intervals, events]).index == 3


def test_what_a_table_declares_is_believed_although_a_column_is_missing():
    assert recognise([PRIMARY, _table("RATE ERROR", "RATE")]).kind == "lightcurve"


def test_the_edges_of_a_response_are_pointed_at():
    matrix = _table("ENERG_LO ENERG_HI MATRIX", "MATRIX")
    found = recognise([PRIMARY, matrix, _table("CHANNEL E_MIN E_MAX", "EBOUNDS")])
    assert (found.kind, found.index) == ("response", 2)


@pytest.mark.parametrize(
    "header",
    [
        {"TELESCOP": "NuSTAR", "POISSERR": True},
        {"TELESCOP": "NuSTAR", "POISSERR": False, "ANCRFILE": "nu.arf"},
    ],
)
def test_a_spectrum_of_photon_energies_is_set_aside(header):
    spectrum = _table("CHANNEL COUNTS STAT_ERR", "SPECTRUM", HDUCLAS1="SPECTRUM", **header)
    found = recognise([PRIMARY, spectrum])
    assert found.kind == "other"
    assert "energy spectrum" in found.description


def test_an_image_is_set_aside():
    assert recognise([Hdu("PRIMARY", {"NAXIS": 2})]).description == "an image"


@pytest.mark.parametrize(
    ("hdus", "words"),
    [
        ([PRIMARY], "no table"),
        ([PRIMARY, _table("DATA")], "DATA"),
        ([PRIMARY, _table("TIME CHANNEL1", "IRRADIANCE")], "IRRADIANCE (TIME, CHANNEL1)"),
    ],
)
def test_what_cannot_be_used_is_named_with_what_is_in_it(hdus, words):
    with pytest.raises(Rejected) as caught:
        recognise(hdus)
    assert caught.value.status == "unrecognised"
    assert words in caught.value.reason


def test_a_light_curve_of_the_background_is_set_aside():
    """As XSELECT and nuproducts write beside that of the source, of the same OBJECT."""
    columns = ("TIME", "RATE", "ERROR")
    source = Hdu("RATE", {"HDUCLAS1": "LIGHTCURVE", "HDUCLAS2": "TOTAL"}, columns)
    background = Hdu("RATE", {"HDUCLAS1": "LIGHTCURVE", "HDUCLAS2": "BKG"}, columns)
    alone = recognise([Hdu("", {}), background])
    assert (alone.kind, alone.description) == ("other", "a light curve of the background")
    assert recognise([Hdu("", {}), background, source]).index == 2
