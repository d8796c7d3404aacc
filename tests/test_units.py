"""Units of parameters and powers in every normalisation."""

import pytest
from astropy import units

from pipeline.components import COMPONENTS


@pytest.mark.parametrize("component", COMPONENTS.values(), ids=lambda component: component.name)
@pytest.mark.parametrize("norm", ["frac", "leahy", "abs"])
def test_parameters_have_units_in_every_normalisation(component, norm):
    for parameter in component.parameters:
        units.Unit(parameter.unit_in(norm), format="vounit")
        assert parameter.bounds[0] < parameter.bounds[1]
        assert parameter.scale == "linear" or parameter.bounds[0] > 0


def test_a_power_integrated_over_frequency_is_a_variance():
    for norm in ("frac", "leahy", "abs"):
        lorentzian = COMPONENTS["lorentzian"]
        variance = units.Unit(lorentzian.parameter("variance").unit_in(norm))
        density = units.Unit(COMPONENTS["constant"].parameter("level").unit_in(norm))
        assert variance == density * units.Hz
