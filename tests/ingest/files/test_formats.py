"""Text tables that other software writes: Astropy's writers, with masks, words and quality."""

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from pipeline.config.ingest import IngestOptions
from pipeline.ingest.files.mapping import open_file
from pipeline.ingest.reject import Rejected
from pipeline.status import Flag

N = 200
RNG = np.random.default_rng(7)
COUNTS = RNG.poisson(20, N).astype(float)
MASK, BAD = np.zeros(N, bool), np.zeros(N, bool)
MASK[[5, 60, 130]] = BAD[[7, 60, 190]] = True
COLUMNS = {"time": "mjd", "rate": "rate", "error": "err", "quality": "grade"}


def _table():
    return Table(
        {
            "name": np.repeat("Cyg X-1", N),
            "mjd": np.arange(N) + 0.5,
            "rate": MaskedColumn(COUNTS, mask=MASK),
            "err": np.sqrt(COUNTS),
            "grade": np.where(BAD, "bad", "good"),
        }
    )


def _entry(suffix, **more):
    return {"files": f"*.{suffix}", "columns": COLUMNS, "keywords": {"TIMEDEL": 1.0}} | more


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ecsv", None),
        ("csv", None),
        *((name, name) for name in ("ecsv", "csv", "tab", "ipac", "mrt", "rst", "fixed_width")),
        *(("fixed_width_two_line", "fixed_width_two_line"), ("votable", "votable")),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_masked_table_in_the_format_of_anybody(archive, written, read):
    name = written if written == "votable" else f"ascii.{written}"
    _table().write(archive.root / "a.dat", format=name)
    row = archive.read("a.dat", tables=[_entry("dat", format=read)])
    kept = ~MASK & ~BAD
    assert row["rate"].tolist() == COUNTS[kept].tolist()
    assert row["time"] + row["t_start"] == pytest.approx(np.flatnonzero(kept) + 0.5)
    assert (row["counting"], row["n_dropped"]) == (True, 5)
    assert "3 bad by GRADE" in row["reason"]
    assert Flag(row["flags"]) & (Flag.TIMES_DROPPED | Flag.STAND_INS) == Flag.TIMES_DROPPED


def test_qdp_with_its_commands_and_breaks(archive):
    lines = ["READ SERR 1 2", "! a curve"] + [
        f"{i + 0.5} 0.5 {c} {np.sqrt(c):.7f}" for i, c in enumerate(COUNTS)
    ]
    lines.insert(100, "NO NO NO NO")
    (archive.root / "a.qdp").write_text("\n".join(lines) + "\n")
    columns = {"time": 1, "rate": 3, "error": 4}
    row = archive.read("a.qdp", tables=[_entry("qdp", columns=columns, comment="!", skip=1)])
    assert row["rate"].tolist() == COUNTS.tolist()
    assert row["n_dropped"] == 1
    assert row["counting"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"format": "votable"}, "not a table of format votable"),
        ({"format": "csv", "columns": {"time": "mjd", "rate": "flux"}}, "no column 'flux'"),
        ({"format": "csv", "columns": {"time": "mjd", "rate": 9}}, "column 9 .* of 5 columns"),
        ({"format": "csv", "columns": {"time": "mjd", "rate": "name"}}, "no numbers but 'Cyg X-1'"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_read_says_what_to_do(archive, more, reason):
    _table().write(archive.root / "a.dat", format="ascii.csv")
    options = IngestOptions(tables=[_entry("dat") | more])
    path = archive.root / "a.dat"
    with pytest.raises(Rejected, match=reason), open_file(path, "a.dat", options) as hdus:
        hdus[1].read("RATE")


def test_an_ecsv_that_nobody_named_keeps_its_masks_its_quality_and_its_limits(archive):
    """ECSV says itself what it holds: undefined rates and grades, limits among the rates."""
    words = np.array([f"{c:.0f}" for c in COUNTS], dtype="U8")
    words[20] = "<3"
    grade = MaskedColumn(np.where(BAD, "bad", "good"), mask=np.arange(N) == 3)
    columns = {
        "TIME": np.arange(N) + 0.5,
        "RATE": MaskedColumn(words, mask=MASK),
        "ERROR": np.sqrt(COUNTS),
        "QUALITY": grade,
    }
    table = Table(columns)
    table.meta.update(TIMEDEL=1.0, TELESCOP="FOO")
    table.write(archive.root / "a.ecsv", format="ascii.ecsv")
    row = archive.read("a.ecsv")
    kept = ~MASK & ~BAD & (np.arange(N) != 20)
    assert row["rate"].tolist() == COUNTS[kept].tolist()
    assert row["flags"] & Flag.STAND_INS
    assert "1 with limits in RATE" in row["reason"]
