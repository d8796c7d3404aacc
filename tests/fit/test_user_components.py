"""Components that users write: found by name, fitted like the others, refused in one line."""

import importlib.metadata
import re
import sys
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import yaml

from pipeline import tables
from pipeline.columns.spectra import SPECTRA
from pipeline.commands import main
from pipeline.components import Component, ComponentError, Parameter, find, user
from pipeline.config.base import ConfigError, section_json
from pipeline.config.fit import FitOptions
from pipeline.config.models import ComponentOptions
from pipeline.config.survey import load, validate
from pipeline.fit import Batch, Engine, Grid, Model, PowerSpectrum, driver, fit_model
from pipeline.workflow import components_version, resolve

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "components.md").read_text(encoding="utf-8")
GRID = np.geomspace(0.05, 50, 220)
VARIANCE = Parameter("variance", "log", (1e-9, 1e9), "{variance}", "Its integral.")
FREQUENCY = Parameter("frequency", "log", (1e-3, 1e3), "Hz", "Its place.")
WIDTH = Parameter("fwhm", "log", (1e-3, 1e3), "Hz", "Its width.")


def sech(frequency, variance, centre, fwhm):
    """A peak that is not built in: hyperbolic secant."""
    scale = fwhm / (2 * np.arccosh(2.0))
    return variance / (jnp.pi * scale) / jnp.cosh((frequency - centre) / scale)


PEAK = Component("sech", (VARIANCE, FREQUENCY, WIDTH), "sech", "none", True, sech)


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    """Modules and folders that a test adds are gone after it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(user, "_folders", [])
    yield
    for name in ("broken", "fails_to_import"):
        sys.modules.pop(name, None)


@pytest.fixture
def offer(monkeypatch):
    """Function that puts attributes into a module that can be imported."""

    def put(**attributes):
        module = types.ModuleType("offered")
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, "offered", module)

    return put


@pytest.fixture
def documented(tmp_path):
    """The example of the documentation in a folder: its survey."""
    (code,) = [b for b in blocks("python") if "Component(" in b]
    (survey,) = [b for b in blocks("yaml") if "archive:" in b]
    (tmp_path / "broken.py").write_text(code)
    (tmp_path / "survey.yaml").write_text(survey)
    (tmp_path / "archive").mkdir()
    return tmp_path / "survey.yaml"


def test_the_example_of_the_documentation_is_fitted(documented):
    survey = load(documented)
    assert survey.fit.components_folder == str(documented.parent)
    assert len(components_version(survey.fit)) == 16
    options = validate(yaml.safe_load(section_json(survey.fit)), FitOptions)
    options = options.model_copy(update={"platform": "cpu", "block_size": 8})
    n = np.full(GRID.size, 60.0)
    slope = np.where(GRID < 1.5, 0.6, 2.4)
    power = 0.002 + 0.3 * (GRID / 1.5) ** -slope
    edges = np.sqrt(GRID[1:] * GRID[:-1])
    row = tables.empty_row(SPECTRA) | {
        **{"source_id": "s", "product": "p", "status": "ok", "norm": "frac", "n": n},
        "frequency": GRID,
        "frequency_lo": np.concatenate([[GRID[0] * 0.98], edges]),
        "frequency_hi": np.concatenate([edges, [GRID[-1] * 1.02]]),
        "power": np.random.default_rng(1).gamma(n, power / n),
        "power_err": np.array([]),
    }
    (model,), parameters, *_ = driver.fit_rows([row], options)
    assert model["components"] == ["constant.1", "broken_power_law.1"]
    assert model["n_free"] == 5
    assert model["deviance"] < 1.3 * GRID.size
    found = {p["parameter"]: p for p in parameters}
    truth = {"amplitude": 0.3, "slope_low": 0.6, "slope_high": 2.4, "break_frequency": 1.5}
    for name, true in truth.items():
        assert found[name]["value"] == pytest.approx(true, rel=0.08)
    assert found["slope_high"]["value"] == pytest.approx(2.4, abs=4 * found["slope_high"]["err_hi"])
    assert found["amplitude"]["unit"] == "1/Hz"


def test_the_options_of_the_documentation_are_right():
    (options,) = [b for b in blocks("yaml") if "mHz" in b]
    _, first, second = validate(yaml.safe_load(options)["fit"], FitOptions).models["qpo"]
    assert first.parameters["fwhm"].bounds == (0.001, 0.5)
    assert first.parameters["frequency"].prior == {"loguniform": [0.1, 10.0]}
    assert second.parameters["frequency"].tied.factor == 2


def test_the_survey_that_the_stages_read_says_where_the_module_is(documented, monkeypatch):
    survey = resolve(load(documented), documented.parent / "results")
    values = survey.model_dump(mode="json")
    sys.modules.pop("broken")
    monkeypatch.setattr(user, "_folders", [])
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(documented.parent)])
    assert validate(values) == survey


def test_a_change_of_the_module_changes_its_version(documented):
    before = components_version(load(documented).fit)
    with (documented.parent / "broken.py").open("a") as file:
        file.write("# changed\n")
    assert components_version(load(documented).fit) != before
    assert components_version(FitOptions()) == ""


@pytest.mark.slow
def test_a_peak_of_a_user_is_found_in_the_residuals_and_its_derivatives_are_right(draw):
    model = Model.from_components("sech", ["constant", PEAK])
    spectra, u = draw(model, [0.01, 0.02, 3.0, 0.6], GRID, 200, 6, seed=2)
    result = fit_model(
        Batch(
            Engine(PowerSpectrum(model), block_size=8),
            spectra,
            np.gradient(spectra.frequency, axis=0),
        )
    )
    sigma = np.sqrt(np.einsum("iil->il", result.covariance))
    assert (np.abs(result.fit.u - u) < 4 * sigma).all()
    grid, active = Grid.of(jnp.asarray(GRID[:, None])), np.ones((2, 1), bool)
    at = jnp.asarray(u[:, :1])
    _, tangents = model.power_and_tangents(at, grid, active)
    expected = jax.jacfwd(lambda v: model.power(v[:, None], grid, active)[:, 0])(at[:, 0])
    np.testing.assert_allclose(np.stack(tangents, -1)[:, 0], expected, rtol=1e-10, atol=1e-14)


def test_copies_of_a_component_of_a_user_are_added_and_it_can_be_tied_to(offer):
    offer(peak=PEAK)
    told = [
        {"offered:peak": {"up_to": 2}},
        {"gaussian": {"frequency": {"tied": {"to": "sech.1.frequency", "factor": 2}}}},
    ]
    options = validate({"models": {"m": told}}, FitOptions).models["m"]
    model = Model.from_components("m", options)
    assert model.names[3] == "sech.2.variance"
    assert [slot.optional for slot in model.slots] == [False, True, False]
    assert model.to_values(np.zeros((model.size, 1)))[7] == 2.0


def test_a_model_with_a_component_of_a_user_is_hashed_by_value():
    one, same = (Model.from_components("m", ["constant", PEAK]) for _ in range(2))
    other = Component("sech", PEAK.parameters, "sech", "none", True, lambda *a: sech(*a) * 2)
    assert one == same
    assert hash(one) == hash(same)
    assert one != Model.from_components("m", ["constant", other])


def test_a_component_without_frequency_dependence_has_the_shape_of_the_grid():
    flat = Component("flat", (VARIANCE,), "variance", "none", False, lambda f, v: v)
    model = Model.from_components("flat", [flat])
    power = model.power(jnp.zeros((1, 3)), Grid.of(jnp.ones((5, 1))), np.ones((1, 3), bool))
    np.testing.assert_array_equal(power, np.ones((5, 3)))


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("offered", "not a component; allowed: bending_power_law"),
        ("no_such_module:thing", "No module named 'no_such_module'"),
        ("offered:missing", "has no 'missing'"),
        ("offered:number", "is int; allowed: a pipeline.components.Component"),
        ("offered:without", "has no function"),
        ("offered:builtin", "has the name 'constant'"),
        ("offered:scale", "without scale log or linear"),
        ("offered:bounds", "lo < hi"),
        ("offered:negative", "bounds that are not positive"),
        ("offered:twice", "not different identifiers"),
        ("offered:few", "does not take frequency, variance, frequency"),
        ("offered:nothing", "has no tuple of parameters"),
        ("offered:texts", "has the parameter 'variance'"),
        ("offered:nowhere", "is a peak without variance and one of"),
        ("plugin:none", "no entry point 'none' in pipeline.components"),
    ],
)
def test_a_component_that_cannot_be_fitted_is_refused_in_one_line(name, fault, offer):
    def wrong(parameter=VARIANCE, **changes):
        told = {"name": "wrong", "parameters": (parameter,), "function": lambda f, v: v}
        return Component(**{"formula": "", "source": "", **told, **changes})

    offer(
        number=1,
        without=wrong(function=None),
        builtin=wrong(name="constant"),
        scale=wrong(Parameter("a", "sqrt", (1.0, 2.0), "", "")),
        bounds=wrong(Parameter("a", "linear", (2.0, 1.0), "", "")),
        negative=wrong(Parameter("a", "log", (0.0, 1.0), "", "")),
        twice=wrong(parameters=(VARIANCE, VARIANCE), function=lambda f, a, b: a),
        few=wrong(parameters=(VARIANCE, FREQUENCY)),
        nothing=wrong(parameters=()),
        texts=wrong(parameters=("variance",)),
        nowhere=wrong(peak=True),
    )
    with pytest.raises(ComponentError, match=re.escape(fault)) as error:
        find(name)
    assert "\n" not in str(error.value)
    with pytest.raises(ConfigError, match=re.escape(fault)):
        validate({"models": {"m": ["constant", name]}}, FitOptions)


def test_a_module_that_fails_says_how(tmp_path):
    user.search_in(tmp_path)
    (tmp_path / "fails_to_import.py").write_text("1 / 0\n")
    with pytest.raises(ComponentError, match="ZeroDivisionError: division by zero"):
        find("fails_to_import:thing")


def test_a_missing_module_ends_the_command_with_the_code_of_a_wrong_configuration(tmp_path, capsys):
    survey = tmp_path / "survey.yaml"
    survey.write_text("archive: .\nfit: {models: {m: ['no_such_module:thing']}}\n")
    assert main(["run", "--config", str(survey), "--directory", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("configuration: fit.models.m.0.name: module 'no_such_module'")
    assert len(said.splitlines()) == 1


def test_an_installed_package_offers_components_as_plugins(offer, monkeypatch):
    offer(peak=PEAK)
    entry = importlib.metadata.EntryPoint("sech", "offered:peak", user.ENTRY_POINTS)

    def entry_points(group):
        assert group == "pipeline.components"
        return importlib.metadata.EntryPoints([entry])

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    assert find("plugin:sech") is PEAK
    assert ComponentOptions.model_validate("plugin:sech").name == "plugin:sech"
    with pytest.raises(ComponentError, match="allowed: sech"):
        find("plugin:other")
