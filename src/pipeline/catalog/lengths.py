"""What segments of a length, without a window, could not show."""

from collections.abc import Mapping, Sequence
from math import hypot

from pipeline.catalog.qpo import Parameters
from pipeline.components import LORENTZIANS

LONGER = 2.0
"""How many times longer than the segments a good time interval is where longer segments would show more."""

SLOPE_OF_LEAKAGE = 2.0
"""Slope of the power that leaks without a window."""

LEAKING = 0.05
"""Probability that nothing leaks below which a slope of 2 is doubtful."""


def leaked(product: Mapping, measured: Mapping) -> bool:
    """Return whether a slope may be that of power that leaked: 2 within its error, without a window.

    Where the power was compared with that under a window, and does not differ, it is not. Of power spectra
    that come ready-made nobody knows.
    """
    slope = measured["slope"]
    error = max(measured["slope_err_lo"], measured["slope_err_hi"])
    if product["taper"] not in ("", "none") or not abs(slope - SLOPE_OF_LEAKAGE) <= error:
        return False
    return not product["leakage_p"] >= LEAKING


def too_short(product: Mapping, parameters: Parameters, products: Sequence[Mapping]) -> bool:
    """Return whether longer segments, which the good time intervals hold, would show more.

    Not if they are another of the source's products. They would where a Lorentzian is narrower than the resolution, or it or a power law turns over below the
    lowest frequency.
    """
    size = product["segment_size"]
    longest = max(p["segment_size"] for p in products if p["series"] == product["series"])
    if not product["longest_interval"] >= LONGER * max(size, longest):
        return False
    for (component, name), row in parameters.items():
        kind = component.split(".")[0]
        if name == "bend_frequency" and row["value"] * size < 1:
            return True
        if kind not in LORENTZIANS or name != "fwhm" or "+" in component:
            continue
        centre = parameters[component, "frequency"]["value"]
        if row["value"] * size < 1 or hypot(centre, row["value"] / 2) * size < 1:
            return True
    return False
