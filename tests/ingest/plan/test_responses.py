"""A power spectrum finds its response, an event list that of its instrument, or it is said."""

import pytest

from pipeline.ingest.plan.found import FoundFile
from pipeline.ingest.plan.responses import assign_responses
from pipeline.status import Status


def _spectrum(file, named="", **more):
    return FoundFile(file, kind="spectrum", response=named, **more)


def _response(file, **more):
    return FoundFile(file, kind="response", status=Status.SET_ASIDE, version=f"v {file}", **more)


def _events(file, named="", **more):
    return FoundFile(file, kind="events", mission="nicer", instrument="xti", response=named, **more)


def _of_detector(file):
    return _response(file, mission="nicer", instrument="xti", hdu="EBOUNDS")


def test_the_named_response_in_the_folder_of_the_spectrum_comes_first():
    spectrum = _spectrum("b/x.pha", "/home/me/pds.rmf")
    assign_responses([_response("a/pds.rmf"), spectrum, _response("b/pds.rmf")])
    assert (spectrum.response, spectrum.response_version) == ("b/pds.rmf", "v b/pds.rmf")
    assert spectrum.status == Status.OK


@pytest.mark.parametrize("there", ["c/pds.rmf.gz", "b/x.rmf", "c/x.rsp"])
def test_a_packed_response_and_one_of_the_spectrum_s_own_name_will_do(there):
    spectrum = _spectrum("b/x.pha", "pds.rmf")
    assign_responses([spectrum, _response(there)])
    assert spectrum.response == there


@pytest.mark.parametrize(
    ("named", "others", "words"),
    [
        ("", [], "set keyword RESPFILE"),
        ("none.rmf", [], "not in the archive"),
        ("a.txt", [FoundFile("b/a.txt", reason="a text: not an observation")], "(a text:"),
        ("none.rmf", [_response("c/x.rmf"), _response("d/x.rmf")], "not in the archive"),
    ],
)
def test_a_spectrum_without_a_response_says_what_to_do(named, others, words):
    spectrum = _spectrum("b/x.pha", named)
    assign_responses([spectrum, *others])
    assert (spectrum.status, spectrum.response) == (Status.MISSING_RESPONSE, "")
    assert words in spectrum.reason


def test_counts_of_a_detector_with_its_own_response_are_no_power_spectrum():
    spectrum = _spectrum("x.pha", "nicer.rmf", mission="nicer")
    assign_responses([spectrum, _of_detector("nicer.rmf")])
    assert (spectrum.status, spectrum.kind) == (Status.SET_ASIDE, "other")


def test_a_spectrum_that_has_its_own_frequencies_needs_no_other_file():
    spectrum = _spectrum("x.fits", "x.fits", version="1")
    assign_responses([spectrum])
    assert (spectrum.status, spectrum.response) == (Status.OK, "")


def test_events_take_the_only_response_of_their_instrument_in_their_folder():
    near, far, lone = _events("a/x.evt"), _events("c/y.evt"), _events("d/z.evt", "b.rmf")
    others = [_of_detector("a/a.rmf"), _of_detector("b/b.rmf"), _response("c/other.rmf")]
    assign_responses([near, far, lone, *others])
    assert (near.response, far.response, lone.response) == ("a/a.rmf", "", "b/b.rmf")


def test_events_with_several_responses_beside_them_take_none():
    events = _events("a/x.evt")
    assign_responses([events, _of_detector("a/a.rmf"), _of_detector("a/b.rmf")])
    assert (events.response, events.status) == ("", Status.OK)
