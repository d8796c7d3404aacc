"""The QPO is the peak that stands out, and the p-value beside it is its own."""

from math import isnan, nan

import numpy as np
import pytest

from pipeline.catalog.groups import objects
from pipeline.catalog.qpo import PeakTests, are_of, choose_qpos
from pipeline.prominence import prominence

from .builders import lorentzian, peaks_of, qpo_of


def test_a_shoulder_with_more_variance_is_not_the_peak_that_stands_on_it():
    shoulder = lorentzian("lorentzian.1", 0.030, 5.0, 2.48)  # Q 2.02
    sharp = lorentzian("lorentzian.2", 0.018, 5.2, 0.52)  # Q 10
    assert qpo_of((shoulder + sharp), 2.0)[:2] == ("lorentzian.2", "lorentzian.1")


def test_a_peak_in_one_bin_is_as_high_as_the_bin_shows_it():
    real = lorentzian("lorentzian.1", 0.01, 3.0, 0.3)
    spike = lorentzian(
        "lorentzian.2", 1e-4, 30.0, 1e-3, peak_power=prominence(1e-4, 30.0, 1e-3, 0.75)
    )
    assert qpo_of((real + spike), 2.0)[0] == "lorentzian.1"
    assert qpo_of((real + lorentzian("lorentzian.2", 1e-4, 30.0, 1e-3)), 2.0)[0] != "lorentzian.1"


@pytest.mark.parametrize("bound", ["variance", "frequency"])
def test_what_is_at_a_bound_is_no_qpo(bound):
    held = lorentzian("lorentzian.1", 0.01, 3.0, 0.3, at_bound=(bound,))
    weak = lorentzian("lorentzian.2", 0.001, 6.0, 0.6)
    assert qpo_of((held + weak), 2.0)[:2] == ("lorentzian.2", "")
    assert qpo_of((held), 2.0)[0] is None


def test_a_width_at_its_bound_is_that_of_a_peak_which_is_not_resolved():
    thin = lorentzian("lorentzian.1", 0.01, 3.0, 0.01, at_bound=("fwhm",))
    assert qpo_of((thin), 2.0)[0] == "lorentzian.1"


def test_a_component_without_variance_is_none():
    assert qpo_of((lorentzian("lorentzian.1", 0.0, 3.0, 0.3)), 2.0)[0] is None


@pytest.mark.parametrize(
    ("frequency", "fwhm", "component", "same"),
    [
        (3.05, 0.3, "lorentzian.1", True),
        (3.25, 0.3, "", True),  # their half-maximum ranges overlap
        (3.50, 0.3, "lorentzian.1", False),
        (9.00, nan, "", False),
        (nan, nan, "lorentzian.1", True),
        (nan, nan, "lorentzian.2", False),
    ],
)
def test_a_test_is_of_the_qpo_where_it_found_the_peak_there(frequency, fwhm, component, same):
    peaks = peaks_of(lorentzian("lorentzian.1", 0.01, 3.0, 0.3))
    tests = PeakTests(
        np.zeros(1, int), objects([component]), np.array([frequency]), np.array([fwhm])
    )
    assert are_of(peaks, choose_qpos(peaks, 1, 2.0), tests).tolist() == [same]


@pytest.mark.parametrize(
    ("q", "error", "narrow"),
    [(2.1, nan, True), (1.9, nan, False), (2.8, 0.8, False), (10.0, 3.0, True), (10.0, 9.5, False)],
)
def test_a_qpo_is_narrow_with_95_percent_confidence(q, error, narrow):
    own = lorentzian("lorentzian.1", 0.01, q, 1.0, q=q)
    own[-1]["err_lo"] = error
    assert (qpo_of(own)[0] is not None) == narrow


def test_the_prominence_is_frequency_times_the_mean_power_over_the_bin():
    variance, frequency, fwhm = 0.02, 4.0, 0.25
    for width in (0.0, 0.1, 3.0):
        f = np.linspace(-width / 2, width / 2, 200_001) if width else np.zeros(1)
        power = variance * fwhm / 2 / np.pi / ((fwhm / 2) ** 2 + f**2)
        mean = np.trapezoid(power, f) / width if width else power[0]
        assert prominence(variance, frequency, fwhm, width) == pytest.approx(frequency * mean)
    assert isnan(prominence(nan, frequency, fwhm))
