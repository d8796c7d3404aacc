"""What the lengths of segments mean for a source: which is the best, and what none of them could show."""

from collections.abc import Mapping, Sequence
from math import expm1, hypot, isfinite, log1p

from pipeline.catalog.qpo import Parameters
from pipeline.models import LORENTZIANS

LONGER = 2.0
"""How many times longer than the segments a good time interval is where longer segments would show more."""

SLOPE_OF_LEAKAGE = 2.0
"""Slope of the power that leaks without a window."""

LEAKING = 0.05
"""Probability that nothing leaks below which a slope of 2 is doubtful."""


def best_length(
    product: Mapping | None,
    products: Sequence[Mapping],
    fits: Mapping[str, Mapping],
    models: Sequence[Mapping],
) -> Mapping | None:
    """Return the length of segment at which a peak is most significant.

    Parameters
    ----------
    product : mapping or None
        The row of SPECTRA that has most data.
    products, models : sequence of mapping
        The source's rows of SPECTRA and of MODELS.
    fits : mapping
        The chosen models by product.

    Returns
    -------
    mapping or None
        One of those of the same series; `product` itself where there is one length, or none was tested.
    """
    if product is None:
        return None
    p_values = _tested(product, products, models)
    family = [p for p in products if p["product"] in p_values and p["product"] in fits]
    return min(family, key=lambda p: p_values[p["product"]], default=product)


def corrected(test: dict, product: Mapping, products, models) -> dict:
    """Return the columns of a test for a peak, its p-value corrected for the lengths that were tested.

    The least of k p-values has the p-value 1 - (1 - p)^k if they are independent (Sidak 1967, J. Am. Stat.
    Assoc. 62, 626). Those of the same data at several lengths are positively correlated, for which it is an
    upper limit.
    """
    if not test:
        return test
    trials = max(1, len(_tested(product, products, models)))
    p_value = test["qpo_p_value"]
    if trials > 1 and p_value < 1:
        p_value = -expm1(trials * log1p(-p_value))
    return test | {"qpo_p_value": p_value, "qpo_p_trials": trials}


def _tested(product, products, models) -> dict[str, float]:
    """Return the p-values of the lengths of a product that were tested, by product."""
    family = {p["product"] for p in products if p["series"] == product["series"]}
    return {
        m["product"]: m["lrt_p_value"]
        for m in models
        if m["product"] in family and isfinite(m["lrt_p_value"])
    }


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


def too_short(product: Mapping, parameters: Parameters) -> bool:
    """Return whether longer segments, which the good time intervals hold, would show more.

    They would where a Lorentzian is narrower than the resolution, or it or a power law turns over below the
    lowest frequency.
    """
    size = product["segment_size"]
    if not product["longest_interval"] >= LONGER * size:
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
