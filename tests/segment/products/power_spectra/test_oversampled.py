"""Powers that claim to be more independent than their light curve is long."""

import numpy as np
import pytest

from pipeline.columns.ingest import INGEST
from pipeline.segment.observation import observation
from pipeline.segment.products.power_spectra.oversampled import claimed, overstated
from pipeline.status import Status
from pipeline.tables import empty_row

SPAN = 27.0 * 86400
STEP = 1 / (5 * SPAN)  # five ordinates an independent frequency
EDGES = STEP * (50 * np.arange(101) + 0.5)


def _header(number, kind, mission):
    row = empty_row(INGEST) | {"source_id": "a", "product": kind, "kind": kind, "mission": mission}
    return observation(row | {"status": Status.OK}, number).header


def _survey(oversampling, errors=(), mission="kepler"):
    n = np.full(100, 50 / oversampling)
    arrays = [
        {"gti_start": np.array([0.0, 2e6]), "gti_stop": np.array([1e6, SPAN])},
        {"frequency_lo": EDGES[:-1], "frequency_hi": EDGES[1:], "n": n, "power_err": errors},
    ]
    index = [_header(0, "lightcurve", "kepler"), _header(1, "spectrum", mission)]
    return overstated(index, lambda number, names: {name: arrays[number][name] for name in names})


def test_independent_powers_are_the_length_of_the_light_curve():
    assert claimed(EDGES[:-1], EDGES[1:], np.full(100, 10)) == pytest.approx(SPAN)
    assert _survey(5.0) == set()
    assert _survey(10.0) == set()  # too few is on the safe side


def test_an_oversampling_copied_from_another_file_is_found():
    assert _survey(1.0) == {("a", "spectrum")}
    assert _survey(4.0) == {("a", "spectrum")}


def test_spectra_with_errors_and_those_of_other_missions_are_not_compared():
    assert _survey(1.0, errors=np.ones(100)) == set()
    assert _survey(1.0, mission="tess") == set()
