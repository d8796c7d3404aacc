"""The example of the README does what it says."""

import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]


def test_the_intervals_of_the_example_cover(capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (block,) = [b for b in blocks if "fit_spectra" in b]
    names = {}
    exec(compile(block, "README.md", "exec"), names)
    shown = capsys.readouterr().out
    assert "<Result of 1000 spectra: constant.1 + power_law.1 + lorentzian.1; 1000 ok>" in shown
    error = np.sqrt(0.683 * 0.317 / 1000)
    assert abs(names["inside"].mean() - 0.683) < 3 * error
    value, lower, upper = (a for a in names["result"]["lorentzian.1.frequency"])
    # medians, scatter and errors go together; no lane is far off
    assert abs(np.median(value) - 5) < 4 * value.std() / np.sqrt(1000)
    assert abs(np.median((lower + upper) / 2) / value.std() - 1) < 0.1
    assert np.abs(value - 5).max() < 5 * value.std()
