"""Sources and products are named alike where they are alike, and only there."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.missions import identity


def test_the_table_speaks_before_the_primary_header():
    who = identity.identify(
        {"TELESCOP": "NuSTAR", "OBJECT": "none"}, {"TELESCOP": "?", "OBJECT": "Cyg X-1 "}
    )
    assert (who.mission, who.object) == ("nustar", "Cyg X-1")


def test_an_observation_number_may_be_an_integer_but_not_a_zero():
    assert identity.identify({"OBS_ID": 23523}, {}).obs_id == "23523"
    assert identity.identify({"OBS_ID": 0}, {}).obs_id == ""


def test_a_position_that_cannot_be_one_is_not_one():
    sun = {"RA_OBJ": 168.4, "DEC_OBJ": 5.0, "RA_PNT": -100.0, "DEC_PNT": -100.0}
    assert identity.identify(sun, {}).ra == 168.4
    assert math.isnan(identity.identify({"RA_PNT": -100.0, "DEC_PNT": 0.0}, {}).ra)
    assert math.isnan(identity.identify({"RA_OBJ": 0.0, "DEC_OBJ": 0.0}, {}).dec)


@pytest.mark.parametrize(
    ("file", "stem"),
    [
        ("a/PN_1_0.3-10.0_50s.lc", "PN_1_0.3-10.0_50s"),
        ("x/glg_v01.fit.gz", "glg_v01"),
        ("plain", "plain"),
    ],
)
def test_the_stem_of_a_file(file, stem):
    assert identity.stem(file) == stem


def test_three_spellings_are_one_object():
    spellings = ["1ES 1927+654", "1es_1927+654", "1ES1927+65"]
    assert set(identity.sources_of_objects(spellings).values()) == {"1ES1927+654"}


def test_a_short_name_that_could_be_two_objects_is_neither():
    sources = identity.sources_of_objects(["PSR J1748-24", "PSR J1748-2446", "PSR J1748-2421"])
    assert sources["PSR J1748-24"] == "PSRJ1748-24"
    assert len(set(identity.sources_of_objects(["SIM J0001+0102", "SIM J0001+0103"]).values())) == 2


def test_files_without_a_number_are_observations_by_their_stem():
    files = [("a/x.lc", ""), ("a/x.evt", ""), ("b/y.lc", ""), ("c/y.lc", ""), ("d/z.lc", "77")]
    assert identity.observation_ids(files) == {
        "a/x.lc": "x",
        "a/x.evt": "x",
        "b/y.lc": "b/y",
        "c/y.lc": "c/y",
        "d/z.lc": "77",
    }


def test_observation_numbers_of_two_missions_are_two_sources():
    assert identity.source_of_observation("xmm", "123", "123") == "xmm:123"
    assert identity.source_of_observation("", "123", "123") == "123"
    assert identity.source_of_observation("kepler", "", "kplr1_llc") == "kplr1_llc"


def test_products_name_what_is_known():
    assert identity.product("lightcurve", "xmm", "epn", "0.3-10.0keV", 50.0) == (
        "lightcurve/xmm/epn/0.3-10.0keV/50s"
    )
    assert identity.product("lightcurve", "kepler", "", "", 1765.462) == (
        "lightcurve/kepler/1765.5s"
    )
    assert identity.product("spectrum", "", "") == "spectrum"


def _reading(file, start, stop, observation="1234567890", name="events/nicer/xti"):
    return identity.Reading(file, "s", observation, name, start, stop)


def test_parts_of_an_observation_share_a_product():
    readings = [_reading("a.evt", 0.0, 10.0), _reading("b.evt", 10.0, 20.0)]
    assert set(identity.distinct_products(readings).values()) == {"events/nicer/xti"}


def test_views_of_the_same_time_do_not():
    files = ("ni1234567890_cl.evt", "ni1234567890_uf.evt")
    products = identity.distinct_products([_reading(f, 0.0, 10.0) for f in files])
    assert list(products.values()) == ["events/nicer/xti/ni_cl", "events/nicer/xti/ni_uf"]


def test_other_observations_and_unknown_times():
    alone = [_reading("a.lc", 0.0, 9.0, "1"), _reading("b.lc", 0.0, 9.0, "2")]
    assert set(identity.distinct_products(alone).values()) == {"events/nicer/xti"}
    unknown = [_reading("p/a.pha", math.nan, math.nan), _reading("p/b.pha", math.nan, math.nan)]
    assert len(set(identity.distinct_products(unknown).values())) == 2


def test_files_of_the_same_name_are_told_apart_by_their_folders():
    readings = [_reading("p/1234567890.lc", 0.0, 1.0), _reading("q/1234567890.lc", 0.0, 1.0)]
    assert len(set(identity.distinct_products(readings).values())) == 2


@settings(deadline=None, derandomize=True, database=None)
@given(st.text(st.characters(), max_size=400))
def test_a_name_has_a_bound_and_utf_8_can_hold_it(text):
    name = identity.bounded(text)
    assert len(name) <= identity.LONGEST
    assert name.encode().decode() == name
    assert identity.bounded(name) == name


@settings(deadline=None, derandomize=True, database=None)
@given(st.text("aé", min_size=100, max_size=300), st.text("aé", min_size=100, max_size=300))
def test_names_that_differ_beyond_the_bound_stay_two(one, other):
    assert (identity.bounded(one) == identity.bounded(other)) == (one == other)


def test_the_whole_of_a_name_that_is_too_long_is_noted():
    who = identity.identify({"OBJECT": "A" * 10_000, "OBS_ID": "101"}, {"INSTRUME": "b" * 129})
    assert len(who.object) == len(who.instrument) == identity.LONGEST
    assert "keyword OBJECT has 10000 characters, more than 128: AAA" in who.note
    assert who.note.count("A") == 10_000
    assert "keyword INSTRUME has 129 characters" in who.note
    assert identity.identify({"OBJECT": "A" * 128}, {}).note == ""
    assert len(identity.identify({"OBJECT": "A" * 10**6}, {}).note) < 20_000
