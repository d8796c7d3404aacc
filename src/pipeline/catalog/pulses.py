"""Fitted peaks that are what is left of a strictly periodic signal, and no QPOs."""

from collections.abc import Mapping
from math import isfinite

from pipeline.catalog.qpo import Parameters
from pipeline.components import LORENTZIANS

RESOLUTIONS = 3.0
"""Widths of a frequency bin within which a peak is at a harmonic, and is narrow."""

_MOST = 20


def without_pulse(parameters: Parameters, product: Mapping) -> Parameters:
    """Return the parameters of a model but for narrow Lorentzians at the harmonics of a pulse.

    Parameters
    ----------
    parameters : mapping
        Rows of the parameter table by (component, parameter).
    product : mapping
        Row of SPECTRA, with ``pulse_frequency`` (Hz, NaN where there is none) and ``segment_size`` (s).
    """
    pulse, size = product["pulse_frequency"], product["segment_size"]
    if not isfinite(pulse) or not size > 0:
        return parameters
    spoiled = {
        component
        for component, name in parameters
        if name == "fwhm"
        and component.split(".")[0] in LORENTZIANS
        and (component, "frequency") in parameters
        and parameters[component, "fwhm"]["value"] <= RESOLUTIONS / size
        and _at_harmonic(parameters[component, "frequency"]["value"], pulse, RESOLUTIONS / size)
    }
    return {key: row for key, row in parameters.items() if key[0] not in spoiled}


def _at_harmonic(frequency, pulse, reach) -> bool:
    number = min(max(round(frequency / pulse), 1), _MOST)
    return abs(frequency - number * pulse) <= reach
