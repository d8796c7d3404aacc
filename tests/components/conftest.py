"""Components are evaluated in double precision, as fits are."""

import pytest

from pipeline.fit import configure


@pytest.fixture(scope="session", autouse=True)
def _devices():
    configure("cpu", "float64", cpu_devices=2)
