"""A small simulated archive that the tests of this folder share."""

import pytest

from pipeline.columns.simulate import TRUTH
from pipeline.config.simulate import SimulateOptions
from pipeline.simulate.driver import run
from pipeline.tables import read_parquet, rows_of

OPTIONS = SimulateOptions(seed=7, n_sources=14, n_damaged=5)


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """Folder of an archive of 14 sources."""
    folder = tmp_path_factory.mktemp("simulated") / "archive"
    run(output=folder, options=OPTIONS)
    return folder


@pytest.fixture(scope="session")
def truth(archive):
    """Rows of its truth by OBJECT."""
    table = read_parquet(archive.with_name("archive-truth.parquet"), TRUTH)
    return {row["object"]: row for row in rows_of(table)}
