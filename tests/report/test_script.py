"""The arithmetic of the page's scripts, run by Node where it is installed."""

import json
import shutil
import subprocess
from importlib.resources import files

import numpy as np
import pytest

from pipeline.report.embed import Grids, spectrum

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node is not installed")
SCRIPTS = ("plot.js", "numbers.js", "histogram.js", "spectrum.js")


def evaluate(expression):
    """Return the value of a JavaScript expression after the page's scripts."""
    text = "".join(
        files("pipeline.report").joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS
    )
    code = f"{text}\nconsole.log(JSON.stringify({expression}));"
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


def test_a_histogram_keeps_every_value():
    bins = evaluate("binned([1, 2, 5, 10, 100], [1, 100], true, 4)")
    assert [b["count"] for b in bins] == [2, 1, 1, 1]
    np.testing.assert_allclose(bins[0]["lo"], 1)
    np.testing.assert_allclose(bins[-1]["hi"], 100)


def test_residuals_use_the_variance_of_the_model():
    """With n ordinates the power scatters by model / sqrt(n), so the residual is (P/S - 1) sqrt(n)."""
    power, model, n = np.array([2.0, 0.5]), np.array([1.0, 1.0]), np.array([16.0, 16.0])
    curve = {
        "frequency_lo": np.array([1.0, 2.0]),
        "frequency_hi": np.array([2.0, 3.0]),
        "power": power,
        "power_err": power / np.sqrt(n),
        "components": ["constant.1", "power_law.1"],
        "component_power": np.concatenate([0.25 * model, 0.75 * model]),
    }
    grids = Grids()
    embedded = json.dumps(spectrum(curve, grids))
    decoded = f"decodeSpectrum({embedded}, {json.dumps(grids.encoded)})"
    found = evaluate(f"[...residuals({decoded})]")
    np.testing.assert_allclose(found, (power / model - 1) * np.sqrt(n), rtol=1e-6)
    assert evaluate(f"{decoded}.parts.map((p) => p.name)") == curve["components"]
