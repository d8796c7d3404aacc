"""The schema and the page of options are what the options declare."""

from pathlib import Path

import jsonschema
import pytest

from pipeline.components import COMPONENTS
from pipeline.config.survey import SECTIONS, Survey
from pipeline.describe import README_FILE, SCHEMA_FILE, options, readme_text, schema, schema_text

ROOT = Path(__file__).parents[1]


def test_the_schema_knows_components_and_keys():
    def with_model(component):
        return {"archive": ".", "fit": {"models": {"m": [component]}}}

    tie = {"tied": {"to": "lorentzian.1.fwhm", "factor": 2}}
    for right in (
        {"lorentzian": {"up_to": 3, "fwhm": {"fixed": 1}}},
        {"lorentzian": {"fwhm": tie, "frequency": {"loguniform": [1, 9], "unit": "mHz"}}},
        {"lorentzian": {"fwhm": {"tied": "lorentzian.1.fwhm"}, "variance": {"half_normal": 1}}},
        "module:name",
        {"module.part:name": {"up_to": 2, "anything": {"fixed": 1}}},
    ):
        jsonschema.validate(with_model(right), schema())
    for wrong in (
        "gausian",
        "module:",
        {"module:name": {"anything": 1}},
        {"lorentzian": {"fwhm": {"unit": "pc"}}},
        {"lorentzian": {"width": {}}},
        {"power_law": 1},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(with_model(wrong), schema())


def test_schema_and_page_of_options_are_what_the_code_says():
    remedy = "run `python -m pipeline config --write`"
    assert (ROOT / SCHEMA_FILE).read_text(encoding="utf-8") == schema_text(), remedy
    assert (ROOT / README_FILE).read_text(encoding="utf-8") == readme_text(), remedy


def test_every_option_and_component_is_described():
    page = readme_text()
    for name, section in {"": Survey, **SECTIONS}.items():
        for option in options(section, name and f"{name}."):
            assert option.description.endswith("."), option.key
            assert f"`{option.key}`" in page
    assert all(f"| `{name}` |" in page for name in COMPONENTS)
