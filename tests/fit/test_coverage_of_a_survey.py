"""From light curves drawn by one code to intervals made by another: they hold the truth as often as they say."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def survey(monkeypatch):
    """The function that `benchmarks/coverage_survey.py` measures with."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import coverage_survey

    yield coverage_survey.survey
    sys.modules.pop("coverage_survey", None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dialect", "kind", "names"),
    [
        ("kepler", "qpo", ("frequency", "rms", "fwhm", "slope")),
        ("kepler", "bending_power_law", ("bend_frequency", "slope_low")),
        ("rate", "qpo", ("frequency", "rms", "slope")),
    ],
)
def test_intervals_of_light_curves_with_gaps_cover(survey, dialect, kind, names):
    """Of 5,000 curves as of Kepler the frequency of a QPO is covered in 68.5 +- 0.7 %.

    Bend frequencies are skewed: 1 % lie beyond three errors, and in intervals of 99.73 % there are 99.8 %.
    """
    count = 400
    found = survey(dialect, kind, count, seed=3, profile="all", levels=[0.9973])
    error = np.sqrt(0.683 * 0.317 / count)
    for name in names:
        assert abs(found[name].inside.mean() - 0.683) < 3 * error + 0.015, name
        assert abs(np.nanmean(found[name].pull)) < 0.3, name
        if name != "rms":  # which follows from the parameters and has no profile
            assert found[name].inside_wide.mean() > 0.98, name
