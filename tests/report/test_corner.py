"""A corner plot shows every pair of parameters, the mass that its contours say, and the catalogue's values."""

import numpy as np
import pytest

from pipeline.report.corner import contour_levels, figure


def _rows(count=4000):
    rng = np.random.default_rng(3)
    first = rng.normal(5.0, 0.1, count)
    values = {
        "frequency": first,
        "variance": np.exp(rng.normal(-6, 1.5, count)),
        "slope": 0.5 * first + rng.normal(0, 0.05, count),
    }
    samples = [
        {
            "component": "lorentzian.1",
            "parameter": name,
            "unit": "Hz" if name == "frequency" else "",
            "scale": "linear" if name == "slope" else "log",
            "value": value,
        }
        for name, value in values.items()
    ]
    nan = float("nan")
    parameters = [
        {"value": 5.0, "err_lo": 0.1, "err_hi": 0.2},
        {"value": np.exp(-6.0), "err_lo": nan, "err_hi": nan},
        {"value": 2.5, "err_lo": 0.07, "err_hi": 0.07},
    ]
    return samples, parameters


def test_every_pair_is_there_on_its_own_scale():
    panels = np.array(figure(*_rows()).axes).reshape(3, 3)
    shown = np.array([[panel.axison for panel in row] for row in panels])
    np.testing.assert_array_equal(shown, np.tril(np.ones((3, 3), bool)))
    # a frequency that is known well is not drawn on a log scale, a variance over decades is
    assert [p.get_xscale() for p in panels[2]] == ["linear", "log", "linear"]
    assert panels[1, 0].get_yscale() == "log"
    assert panels[2, 0].get_xlabel() == "lorentzian.1\nfrequency / Hz"
    assert panels[2, 0].get_ylabel() == "lorentzian.1\nslope"
    assert sum(bar.get_height() for bar in panels[0, 0].patches[:24]) == 4000


def test_the_catalogue_is_marked_and_an_interval_that_is_open_is_not():
    panels = np.array(figure(*_rows()).axes).reshape(3, 3)
    assert panels[0, 0].lines[0].get_xdata() == [5.0, 5.0]
    (span,) = panels[0, 0].patches[24:]
    assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx((4.9, 5.2))
    assert len(panels[1, 1].patches) == 24
    assert panels[1, 1].lines[0].get_xdata()[0] == pytest.approx(np.exp(-6.0))


def test_contours_hold_the_mass_that_they_say():
    x, y = np.meshgrid(np.linspace(-5, 5, 201), np.linspace(-5, 5, 201))
    density = np.exp(-(x**2 + y**2) / 2)
    levels = contour_levels(density, (0.865, 0.393))
    np.testing.assert_allclose(levels, np.exp([-2.0, -0.5]), rtol=0.02)


def test_one_parameter_and_draws_that_are_all_the_same_are_a_plot_too():
    samples, parameters = _rows(50)
    assert len(figure(samples[:1], parameters[:1]).axes) == 1
    samples[0]["value"] = np.full(50, 5.0)
    assert len(figure(samples, parameters).axes) == 9
