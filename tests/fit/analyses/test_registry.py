"""Analyses are declared light, and what they declare is what the stage has."""

import subprocess
import sys

from pipeline.columns.fits import MODELS
from pipeline.config.fit import FitOptions
from pipeline.fit.analyses import ANALYSES


def test_declarations_need_no_array_library():
    code = (
        "import sys, pipeline.fit.analyses, pipeline.config.fit, pipeline.columns.fits;"
        "print(sorted({'numpy', 'jax', 'astropy', 'pyarrow', 'scipy'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_the_columns_of_every_analysis_are_in_the_table_of_models_in_their_order():
    names = [column.name for analysis in ANALYSES for column in analysis.columns]
    own = [column for column in MODELS.columns if column.name in names]
    assert own == [column for analysis in ANALYSES for column in analysis.columns]


def test_every_analysis_with_options_has_its_key_in_the_configuration():
    nothing = FitOptions()
    for analysis in ANALYSES:
        if analysis.options is not None:
            field = FitOptions.model_fields[analysis.name]
            assert field.description == analysis.description
            assert not analysis.asked_for(nothing)
            told = FitOptions.model_validate({analysis.name: {}})
            assert isinstance(getattr(told, analysis.name), analysis.options)
            assert analysis.asked_for(told)
    assert [a.name for a in ANALYSES if a.asked_for(nothing)] == ["profile"]
