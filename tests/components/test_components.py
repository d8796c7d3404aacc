"""A component is one object: its starts, bounds and derived quantities, and the only place that knows it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pipeline
from pipeline import components
from pipeline.components import COMPONENTS, component_of, may_be_qpo
from pipeline.components.base import Component
from pipeline.components.measured import Extent, Sketch
from pipeline.components.parameters import CENTRES, Parameter
from pipeline.components.quantities import Calibration
from pipeline.fit.model.grid import Grid, evaluate

PACKAGE = Path(pipeline.__file__).parent
VALUES = {
    "constant": (2.0,),
    "power_law": (3.0, 2.2),
    "bending_power_law": (3.0, 0.8, 2.6, 1.3),
    "lorentzian": (0.4, 2.1, 0.7),
    "lorentzian_numax": (0.4, 2.1, 1.7),
    "zero_lorentzian": (0.4, 0.9),
    "lorentz": (0.4, 2.1, 1.3),
    "gaussian": (0.4, 2.1, 0.9),
    "envelope": (0.4, 2.1, 1.2),
    "harvey": (0.4, 1.2, 3.0),
}
EVERY = pytest.mark.parametrize("component", COMPONENTS.values(), ids=lambda c: c.name)
PEAKS = pytest.mark.parametrize(
    "component", [c for c in COMPONENTS.values() if c.peak], ids=lambda c: c.name
)
LANES = 3
EXTENT = Extent(
    lowest=np.array([0.1, 0.01, 1.0]),
    highest=np.array([50.0, 20.0, 400.0]),
    finest=np.array([0.1, 0.01, 0.5]),
    total=np.array([0.3, 5.0, 2.0]),
    largest=np.array([4.0, 10.0, 1.0]),
)


def values_of(component):
    """Values of its parameters in three lanes, shape (p, lanes)."""
    values = np.array(VALUES[component.name])[:, None] * np.ones(LANES)
    return values * np.linspace(0.9, 1.1, LANES)


def sketch(number):
    low, high = np.log(EXTENT.lowest), np.log(EXTENT.highest)
    level = np.array([0.01, 0.1, 0.5])
    return Sketch(
        level, np.exp((low + high) / 2), low, high, lambda slope: level * np.exp(slope), number
    )


def test_declarations_import_no_library_of_arrays():
    code = "import sys, pipeline.components, pipeline.priors, pipeline.units; print(*sys.modules)"
    environment = {"PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    heavy = {"numpy", "jax", "scipy", "astropy", "pyarrow"}
    assert not heavy & set(done.stdout.decode().split())


AMBIGUOUS = {"constant", "gaussian"}
"""Names that are of a trend and of a likelihood as well."""


def test_no_component_is_known_by_its_name_elsewhere():
    """Models that are proposed (the configuration) and spectra that are simulated name theirs."""
    names = COMPONENTS.keys() - AMBIGUOUS
    allowed = (
        "components/",
        "simulate/",
        "config/fit.py",
        "fit/analyses/detection.py",
        "describe.py",
    )
    for file in sorted(PACKAGE.rglob("*.py")):
        where = file.relative_to(PACKAGE).as_posix()
        if where.startswith(allowed):
            continue
        texts = {
            node.value
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        found = {t for t in texts if re.sub(r"\.\d+$", "", t) in names}
        assert not found, where


def test_one_more_component_is_one_module_and_one_line(monkeypatch):
    """What stands in a module of its own is enough for a fit; it is listed in COMPONENTS."""

    class Step(Component):
        """The same power up to a frequency, and none above it."""

        def density(self, xp, grid, values):
            level, bend_frequency = values
            return level / (1 + xp.exp(20 * (grid.log_frequency - xp.log(bend_frequency))))

    level = Parameter("level", "log", (1e-30, 1e30), "{power}", "Power.", is_amplitude=True)
    edge = Parameter("bend_frequency", "log", (1e-12, 1e6), "Hz", "Where it ends.")
    step = Step("step", (level, edge), "a step", "none")
    monkeypatch.setitem(COMPONENTS, "step", step)

    from pipeline.fit import fit_spectra

    frequency = np.geomspace(0.1, 50, 150)
    truth = 0.02 + 0.5 / (1 + (frequency / 3.0) ** 20)
    power = np.random.default_rng(1).gamma(400.0, truth / 400)
    found = fit_spectra(["constant", "step"], power[None], frequency, n=np.full(150, 400.0))
    assert found["step.1.bend_frequency"].value == pytest.approx(3.0, rel=0.03)
    assert found["step.1.level"].value == pytest.approx(0.5, rel=0.05)


def test_a_label_of_the_catalogue_leads_to_its_component():
    assert component_of("lorentzian_numax.2") is COMPONENTS["lorentzian_numax"]
    assert component_of("lorentz.1+lorentz.3") is COMPONENTS["lorentz"]
    assert component_of("sech.1") is None
    assert {name for name in COMPONENTS if may_be_qpo(f"{name}.1")} == {
        "lorentzian",
        "lorentz",
        "lorentzian_numax",
    }
    assert not may_be_qpo("sech.1")


def test_columns_of_sources_are_filled_by_parameters_of_the_components():
    from pipeline.columns.catalogue import SOURCES

    columns = {}
    for component in COMPONENTS.values():
        for parameter, column in component.source_columns.items():
            assert parameter in component.names
            assert column in SOURCES.names
            columns.setdefault(column, []).append(component.name)
    assert columns == {
        "slope": ["power_law", "bending_power_law"],
        "bend_frequency": ["bending_power_law"],
        "nu_max": ["envelope"],
    }


@EVERY
def test_bounds_are_in_order_and_inside_the_declared_ones(component):
    for parameter, (lo, hi) in zip(component.parameters, component.bounds(EXTENT, np), strict=True):
        assert (np.asarray(lo) < hi).all()
        assert (np.asarray(lo) >= parameter.bounds[0]).all()
        assert (np.asarray(hi) <= parameter.bounds[1]).all()


@EVERY
@pytest.mark.parametrize("number", range(5))
def test_starts_are_inside_the_declared_bounds_and_finite(component, number):
    found = component.starts(sketch(number), np)
    for parameter, value in zip(component.parameters, found, strict=True):
        assert np.isfinite(value).all()
        assert (parameter.bounds[0] <= np.asarray(value)).all()
        assert (np.asarray(value) <= parameter.bounds[1]).all()


def test_starts_differ_from_one_another():
    bending = COMPONENTS["bending_power_law"]
    found = [np.concatenate([np.ravel(v) for v in bending.starts(sketch(k), np)]) for k in range(4)]
    assert len({tuple(f) for f in found}) == 4


def test_a_peak_stays_inside_the_frequencies_and_an_envelope_with_both_its_sides():
    lorentzian, envelope = (
        dict(zip(c.names, c.bounds(EXTENT, np), strict=True))
        for c in (COMPONENTS["lorentzian"], COMPONENTS["envelope"])
    )
    np.testing.assert_array_equal(lorentzian["frequency"], [EXTENT.lowest, EXTENT.highest])
    np.testing.assert_allclose(lorentzian["fwhm"][0], EXTENT.finest)
    np.testing.assert_allclose(envelope["nu_max"], [2 * EXTENT.lowest, 0.8 * EXTENT.highest])


@PEAKS
def test_a_peak_that_is_proposed_has_its_variance_and_largest_f_p_where_it_is_wanted(component):
    f = np.geomspace(0.003, 3000, 60_001)
    for trial in component.trials:
        power = np.asarray(
            evaluate(component, Grid.of(f), component.peak_at(0.2, 3.0, trial, 0.0, np))
        )
        at_zero = component.centre not in ("frequency", "nu_max")
        if at_zero or trial > 2:  # that of a broader one lies above its frequency
            assert f[np.argmax(f * power)] == pytest.approx(3.0, rel=0.35 if at_zero else 0.1)
        assert 0.09 < np.trapezoid(power, f) < 0.21  # half of it may be at negative frequencies


@pytest.mark.parametrize(
    "name", ["lorentzian", "lorentz", "lorentzian_numax", "gaussian", "envelope"]
)
def test_a_peak_is_not_narrower_than_asked(name):
    component = COMPONENTS[name]
    for trial in component.trials:
        values = component.peak_at(np.ones(2), np.full(2, 3.0), trial, np.full(2, 2.0), np)
        _, fwhm = component.place(np.array(values))
        assert (fwhm >= 2.0 * (1 - 1e-12)).all()


@PEAKS
def test_the_place_of_a_peak_is_its_maximum_and_its_width_that_at_half_of_it(component):
    values = values_of(component)
    if component.place(values) is None:
        assert component.centre in (None, "characteristic_frequency")
        return
    frequency, fwhm = component.place(values)
    if component.name == "envelope":
        np.testing.assert_array_equal(frequency, values[1])
    for lane in range(LANES):
        at = frequency[lane] + np.array([0.0, -0.5, 0.5]) * fwhm[lane]
        top, left, right = np.asarray(evaluate(component, Grid.of(at), values[:, lane]))
        assert left == pytest.approx(top / 2)
        assert right == pytest.approx(top / 2)


def calibration():
    return Calibration(np.array([1.0, 0.02, 3.0]), np.full(LANES, np.nan))


@EVERY
def test_slopes_of_derived_quantities_are_numerical_derivatives(component):
    values, step = values_of(component), 1e-6
    found = component.derived(values, calibration())
    for k in range(len(values)):
        ends = []
        for sign in (-1, 1):
            moved = values.copy()
            moved[k] *= np.exp(sign * step)
            ends.append(component.derived(moved, calibration()))
        for quantity, less, more in zip(found, *ends, strict=True):
            slope = np.log(more.value / less.value) / (2 * step)
            np.testing.assert_allclose(
                quantity.log_slopes[k], slope, atol=1e-8, err_msg=quantity.name
            )


@PEAKS
def test_the_rms_is_the_root_of_the_integral_over_positive_frequencies(component):
    values = values_of(component)
    (rms,) = (d for d in component.derived(values, calibration()) if d.name == "rms")
    f = np.geomspace(1e-7, 1e7, 400_001)
    for lane in range(LANES):
        power = np.asarray(evaluate(component, Grid.of(f), values[:, lane]))
        variance = np.trapezoid(power * f, np.log(f)) * calibration().to_fraction[lane]
        assert rms.value[lane] ** 2 == pytest.approx(variance, rel=1e-4)


@EVERY
def test_where_the_mean_rate_is_not_known_there_is_no_rms(component):
    unknown = Calibration(np.array([1.0, np.nan, np.nan]), np.full(LANES, np.nan))
    for quantity in component.derived(values_of(component), unknown):
        known = [True, False, False] if quantity.name == "rms" else [True] * 3
        assert np.isfinite(quantity.value).tolist() == known
        if quantity.known is not None:
            assert quantity.known.tolist() == known


def test_the_rms_is_that_before_the_averaging_over_time_bins():
    component, values = COMPONENTS["lorentz"], values_of(COMPONENTS["lorentz"])
    binned = Calibration(np.ones(LANES), np.array([np.nan, 0.1, 0.2]))
    rms = component.derived(values, binned)[-1].value
    plain = component.derived(values, Calibration(np.ones(LANES), np.full(LANES, np.nan)))[-1].value
    expected = np.sinc(values[1] * np.array([0.0, 0.1, 0.2]))
    np.testing.assert_allclose(rms, plain / expected)


@EVERY
def test_what_can_be_rewritten_has_the_same_power(component):
    values = values_of(component)
    is_log = np.array([p.scale == "log" for p in component.parameters])[:, None]
    u = np.where(is_log, np.log(values), values)
    other = component.rewritten(u)
    if component.name != "bending_power_law":
        assert other is None
        return
    f = Grid.of(np.geomspace(0.1, 30, 40)[:, None])
    again = np.where(is_log, np.exp(other.u), other.u)
    np.testing.assert_allclose(
        evaluate(component, f, again), evaluate(component, f, values), rtol=1e-12
    )
    assert not other.preferred.any()
    assert component.rewritten(other.u).preferred.all()
    same = [row for row in range(len(u)) if row not in other.changed]
    np.testing.assert_array_equal(other.u[same], u[same])


def test_centres_and_widths_are_found_by_name():
    found = {c.name: (c.centre, c.width) for c in COMPONENTS.values() if c.peak}
    assert found == {
        "lorentzian": ("frequency", "fwhm"),
        "lorentz": ("frequency", "fwhm"),
        "lorentzian_numax": ("nu_max", None),
        "zero_lorentzian": (None, "fwhm"),
        "gaussian": ("frequency", "width"),
        "envelope": ("nu_max", None),
        "harvey": ("characteristic_frequency", None),
    }
    assert {name for c in COMPONENTS.values() for name in c.names if name in CENTRES} == set(
        CENTRES
    )


def test_all_that_is_built_in_is_listed():
    files = {f.stem for f in (PACKAGE / "components").glob("*.py")}
    made = {type(c).__module__.rsplit(".", 1)[1] for c in COMPONENTS.values()}
    assert made <= files
    assert set(components.__all__) <= set(vars(components))
