"""Tables of a catalogue with text that is hard to write, large numbers and lists."""

import pytest

from pipeline.catalog.formats.rows import Rows
from pipeline.columns.catalogue import SOURCES
from pipeline.columns.fits import MODELS
from pipeline.columns.registry import CATALOGUE
from pipeline.tables import to_arrow

NAME = "GRS 1915+105 ½ \n<&\"'>"


@pytest.fixture
def plain():
    """The name of the first source as FITS and VOTable can hold it."""
    return "GRS 1915+105 \\xbd  <&\"'>"


@pytest.fixture
def tables():
    source = {"source_id": NAME, "ra": 288.8, "flags": 2**62, "status": "ok", "m": 2**40}
    model = {"source_id": "A", "product": "p", "model": "m", "best": True}
    model |= {"components": ["constant.1", "power_law.1"], "covariance": [1.0, 0.5, 0.5, 2.0]}
    rows = {SOURCES: [source, {"source_id": "B"}], MODELS: [model, {"source_id": "B"}]}
    return {t: Rows.of(t, to_arrow(t, rows.get(t, []))) for t in CATALOGUE}
