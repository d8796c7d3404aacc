"""The arithmetic of the page's scripts, run by Node where it is installed."""

import json
import math
import re
import shutil
import subprocess
from importlib.resources import files

import numpy as np
import pytest

from pipeline.columns.catalogue import SOURCES
from pipeline.report.data import DataFiles
from pipeline.report.embed import Grids, curve, spectrum
from pipeline.report.sources import (
    MEASURED,
    NAMES,
    NUMBERS,
    WORDS,
    SourceFiles,
    read_sources,
)
from pipeline.tables import write_parquet

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed")
SCRIPTS = ("plot.js", "numbers.js", "histogram.js", "spectrum.js", "store.js", "survey.js")


def evaluate(expression):
    """Return the value of a JavaScript expression, or of its promise, after the page's scripts."""
    text = "".join(
        files("pipeline.report").joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS
    )
    code = f"{text}\nPromise.resolve({expression}).then((x) => console.log(JSON.stringify(x)));"
    done = subprocess.run([NODE, "-e", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("-1.5", "−1.5"),
        ("123456", "123456"),
        ("0.00123456", "0.001235"),
        ("1e-5", "10⁻⁵"),
        ("-2.5e7", "−2.5×10⁷"),
        ("null", ""),
    ],
)
def test_numbers_read_like_in_print(value, text):
    assert evaluate(f"plainNumber({value})") == text


def test_a_p_value_that_is_a_limit_is_printed_as_one():
    assert evaluate("probability(1e-10, true)") == "< 10⁻¹⁰"
    assert evaluate("probability(0.02, false)") == "0.02"
    assert evaluate("probability(null, true)") == ""


def test_axes_are_labelled_at_round_numbers():
    labels = "logTicks([0.05, 300]).filter((t) => t.label).map((t) => t.value)"
    np.testing.assert_allclose(evaluate(labels), [0.1, 1, 10, 100])
    narrow = evaluate("logTicks([0.8, 1.3]).map((t) => t.label)")
    assert narrow == ["0.8", "0.9", "1", "1.1", "1.2", "1.3"]
    assert evaluate("linearTicks([-4.2, 4.2], 5).map((t) => t.value)") == [-4, -2, 0, 2, 4]


def test_residuals_use_the_variance_of_the_model():
    """With n ordinates the power scatters by model / sqrt(n), so the residual is (P/S - 1) sqrt(n)."""
    power, model, n = np.array([2.0, 0.5]), np.array([1.0, 1.0]), np.array([16.0, 16.0])
    row = {
        "frequency_lo": np.array([1.0, 2.0]),
        "frequency_hi": np.array([2.0, 3.0]),
        "power": power,
        "power_err": power / np.sqrt(n),
        "components": ["constant.1", "power_law.1"],
        "component_power": np.concatenate([0.25 * model, 0.75 * model]),
    }
    grids = Grids()
    embedded = json.dumps(spectrum(curve(row), grids))
    decoded = f"decodeSpectrum({embedded}, {json.dumps(grids.encoded)})"
    found = evaluate(f"[...residuals({decoded})]")
    np.testing.assert_allclose(found, (power / model - 1) * np.sqrt(n), rtol=1e-6)
    assert evaluate(f"{decoded}.parts.map((p) => p.name)") == row["components"]


FAINT = {"qpo_frequency": math.nan}
STARS = [
    {"source_id": "Ara", "mission": "xmm", "slope": 2.0, "qpo_frequency": 0.5},
    {
        "source_id": "Crux",
        "mission": "kepler",
        "slope": math.nan,
        "reason": "gaps in\tAra",
        **FAINT,
    },
    {"source_id": "Lyra", "mission": "", "slope": 1.0, "status": "too_short", **FAINT},
    {"source_id": "Vela", "mission": "kepler", "slope": 3.0, "qpo_frequency": 7.0},
]


@pytest.fixture
def survey(tmp_path, monkeypatch):
    """JavaScript that makes a `Survey` of four sources in blocks of two, without a page."""
    for name in ("ROWS", "TEXT", "COLUMN"):
        monkeypatch.setattr(f"pipeline.report.sources.{name}", 2)
    rows = [{"object": star["source_id"], "status": "ok"} | star for star in STARS]
    write_parquet(tmp_path / "sources.parquet", SOURCES, rows)
    data = DataFiles(tmp_path / "data")
    files_of = SourceFiles(data, 1)
    for table in read_sources(tmp_path / "sources.parquet", 2):
        files_of.add(table)
    known = {"n_sources": len(rows), "pieces": files_of.finish() | {"details": 1}}
    pieces = ",".join(f'"{name}":{text}' for name, text in data.publish().items())
    store = (
        f"{{pieces:{{{pieces}}},load(n){{return this.pieces[n]}},get(n){{return this.pieces[n]}}}}"
    )
    return f"new Survey({json.dumps(known)}, {store})"


EVERY = {"words": "", "status": "", "qpo": False, "range": None}


@pytest.mark.parametrize(
    ("chosen", "sort", "found"),
    [
        ({}, ("source_id", False), [0, 1, 2, 3]),
        ({}, ("source_id", True), [3, 2, 1, 0]),
        ({}, ("slope", False), [2, 0, 3, 1]),
        ({}, ("slope", True), [3, 0, 2, 1]),
        ({}, ("mission", False), [1, 3, 0, 2]),
        ({"qpo": True}, ("source_id", False), [0, 3]),
        ({"status": "too_short"}, ("source_id", False), [2]),
        ({"range": {"column": "slope", "lo": 1.5, "hi": 3}}, ("source_id", False), [0, 3]),
        ({"words": "ara"}, ("source_id", False), [0, 1]),
        ({"words": "a"}, ("source_id", False), [0, 1, 2, 3]),
        ({"words": "kep ela"}, ("source_id", False), [3]),
        ({"words": "kep", "qpo": True}, ("slope", True), [3]),
        ({"words": "orion"}, ("slope", False), []),
    ],
)
def test_sources_are_filtered_and_sorted(survey, chosen, sort, found):
    how = json.dumps({"key": sort[0], "descending": sort[1]})
    selected = f"{survey}.select({json.dumps(EVERY | chosen)}, {how})"
    assert evaluate(f"{selected}.then((rows) => [...rows])") == found


def test_rows_and_names_are_found_in_their_blocks(survey):
    cells = "rows.map((cell) => [cell('source_id'), cell('slope'), cell('bend_frequency')])"
    assert evaluate(f"{survey}.rows([3, 1]).then((rows) => {cells})") == [
        ["Vela", 3, None],
        ["Crux", None, None],
    ]
    assert evaluate(f"Promise.all(['Lyra', 'lyra', 'Ly'].map((n) => {survey}.find(n)))") == [
        2,
        -1,
        -1,
    ]


def test_every_column_of_the_table_is_in_the_blocks():
    text = files("pipeline.report").joinpath("sources.js").read_text(encoding="utf-8")
    keys = set(re.findall(r'key: "(\w+)"', text))
    measured = re.findall(r'key: "(\w+)", name: "[^"]*", errors: true', text)
    assert len(keys) == 14
    assert keys <= {*NUMBERS, *WORDS, *NAMES}
    assert set(measured) == set(MEASURED)
