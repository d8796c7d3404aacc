"""Components, parameters, priors, units and ties of a model are right, or are refused in one line."""

import json
import math
import re

import pytest

from pipeline.config.base import ConfigError, section_json
from pipeline.config.fit import FitOptions
from pipeline.config.survey import validate
from pipeline.priors import PRIORS


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_takes_the_declared_number_of_arguments(name):
    def with_arguments(count):
        numbers = [0.5 + i for i in range(count)]
        return {"m": [{"constant": {"level": {"prior": {name: numbers}}}}]}

    number = len(PRIORS[name])
    FitOptions(models=with_arguments(number))
    with pytest.raises(ConfigError, match=f"{name} takes {number} argument"):
        validate({"models": with_arguments(number + 1)}, FitOptions)


def test_a_component_is_a_name_or_a_name_with_what_is_said_of_it():
    long = {"name": "lorentzian", "up_to": 6, "parameters": {"fwhm": {"bounds": [0.1, 1]}}}
    short = {"lorentzian": {"up_to": 6, "fwhm": {"bounds": [0.1, 1]}}}
    models = validate({"models": {"a": [long], "b": [short], "c": ["lorentzian"]}}, FitOptions)
    assert models.models["a"] == models.models["b"]
    assert models.models["c"][0].up_to == 1


def _parameter(component, name, told):
    """What a configuration says of one parameter, validated."""
    models = validate({"models": {"m": [{component: {name: told}}]}}, FitOptions).models
    return models["m"][0].parameters[name]


def test_a_prior_may_stand_in_the_place_of_the_options_or_beside_them():
    long = {"prior": {"loguniform": [0.1, 10]}, "start": 2}
    short = {"loguniform": [0.1, 10], "start": 2}
    assert _parameter("lorentzian", "frequency", long) == _parameter(
        "lorentzian", "frequency", short
    )
    alone = _parameter("constant", "level", {"half_normal": 3})
    assert alone.prior == {"half_normal": [3.0]}


def test_numbers_in_another_unit_are_turned_into_the_parameters_own():
    told = {
        "unit": "mHz",
        "bounds": [1, 500],
        "start": 20,
        "fixed": 30,
        "truncated_normal": [20, 5, 1, 100],
    }
    found = _parameter("lorentzian", "frequency", told)
    assert found.bounds == pytest.approx((0.001, 0.5))
    assert (found.start, found.fixed) == pytest.approx((0.02, 0.03))
    assert found.prior["truncated_normal"] == pytest.approx([0.02, 0.005, 0.001, 0.1])
    assert found.unit is None
    lognormal = _parameter("lorentzian", "fwhm", {"unit": "kHz", "lognormal": [0.0, 0.5]})
    assert lognormal.prior["lognormal"] == pytest.approx([math.log(1e3), 0.5])
    gamma = _parameter("lorentzian", "fwhm", {"unit": "kHz", "gamma": [2.0, 3.0]})
    assert gamma.prior["gamma"] == pytest.approx([2.0, 0.003])


def test_what_is_said_of_a_parameter_survives_the_way_through_the_command_line():
    told = [
        {"lorentzian": {"frequency": {"unit": "mHz", "bounds": [1, 500], "scale": "linear"}}},
        {"lorentzian": {"frequency": {"tied": {"to": "lorentzian.1.frequency", "factor": 2}}}},
        {"gaussian": {"frequency": {"tied": "lorentzian.1.frequency"}, "width": {"levy": [1, 2]}}},
    ]
    fit = validate({"models": {"m": told}}, FitOptions)
    assert validate(json.loads(section_json(fit)), FitOptions) == fit
    tied = [c.parameters["frequency"].tied for c in fit.models["m"]]
    assert tied[0] is None
    assert [(t.to, t.factor) for t in tied[1:]] == [("lorentzian.1.frequency", f) for f in (2, 1)]


TIE = {"tied": "lorentzian.1.frequency"}


@pytest.mark.parametrize(
    ("components", "fault"),
    [
        ([{"lorentzian": {"fwhm": {"unit": "ms"}}}], "lorentzian.fwhm: unit ms is not one of Hz"),
        ([{"power_law": {"slope": {"unit": "Hz"}}}], "unit Hz is not one of a number"),
        ([{"lorentzian": {"fwhm": {"unit": "pc"}}}], "'pc' is not a unit; allowed: nHz"),
        ([{"lorentzian": {"fwhm": {"unit": "mHz", "beta": [1, 2]}}}], "prior beta has no unit"),
        ([{"lorentzian": {"fwhm": {"scale": "sqrt"}}}], "'log' or 'linear'"),
        ([{"power_law": {"slope": {"scale": "log"}}}], "must be positive on a log scale"),
        ([{"constant": {"level": {"normal": [1, -1]}}}], "scale of normal must be positive"),
        ([{"constant": {"level": {"loguniform": [0, 1]}}}], "low of loguniform must be positive"),
        ([{"constant": {"level": {"uniform": [2, 1]}}}], "uniform needs low < high"),
        ([{"constant": {"level": {"uniform": [1, math.inf]}}}], "high of uniform must be finite"),
        (
            [{"constant": {"level": {"uniform": [1, 2], "prior": {"normal": [1, 2]}}}}],
            "two priors: `prior` and uniform",
        ),
        ([{"constant": {"level": {"uniform": [1, 2], "normal": [1, 2]}}}], "must be one prior"),
        ([{"lorentzian": {"frequency": TIE}}], "which is tied itself"),
        ([{"gaussian": {"frequency": TIE}}, "lorentzian"], "or one before; allowed: gaussian.1.v"),
        (
            ["lorentzian", {"gaussian": {"frequency": {**TIE, "start": 1}}}],
            "a tied parameter takes no start",
        ),
        (
            ["lorentzian", {"gaussian": {"frequency": {"tied": {"to": "x", "factor": 0}}}}],
            "frequency.tied.factor: input should be greater than 0",
        ),
        (
            ["lorentzian", {"gaussian": {"frequency": {"tied": {"to": "x", "facto": 2}}}}],
            "did you mean 'factor'? Allowed: factor, to",
        ),
        (
            [{"lorentzian": {"up_to": 2}}, {"gaussian": {"width": {"tied": "lorentzian.2.fwhm"}}}],
            "a copy that is not always there",
        ),
        (
            ["power_law", {"constant": {"level": {"tied": "power_law.1.slope"}}}],
            "constant.1.level must be positive",
        ),
    ],
)
def test_what_is_wrong_with_a_parameter_is_said_in_one_line(components, fault):
    with pytest.raises(ConfigError, match=re.escape(fault)) as error:
        validate({"models": {"m": components}}, FitOptions)
    assert str(error.value).startswith("models")
    assert "\n" not in str(error.value)


def test_zero_is_allowed_on_a_linear_scale():
    told = {"scale": "linear", "fixed": 0, "bounds": [0, 50]}
    assert _parameter("lorentzian_numax", "q", told).fixed == 0
