"""Which Lorentzian of a fitted model is the quasi-periodic oscillation."""

from collections.abc import Iterable, Mapping

from pipeline.models import LORENTZIANS

_AMBIGUOUS_VARIANCE = 0.25
"""Half the rms is a quarter of the variance."""

Parameters = Mapping[tuple[str, str], Mapping]
"""Rows of the parameter table by (component, parameter)."""


def index(rows: Iterable[Mapping]) -> dict[tuple[str, str], Mapping]:
    """Return the rows of one model's parameters by (component, parameter)."""
    return {(row["component"], row["parameter"]): row for row in rows}


def quality(parameters: Parameters, component: str) -> float:
    """Return the quality factor of a Lorentzian, centroid frequency over FWHM, dimensionless."""
    return parameters[component, "frequency"]["value"] / parameters[component, "fwhm"]["value"]


def choose_qpo(
    parameters: Parameters, min_q: float, frequency_range: tuple[float, float] | None = None
) -> tuple[str | None, bool]:
    """Find the strongest narrow Lorentzian of a model.

    Parameters
    ----------
    parameters : mapping
        See `index`; those of one fitted model.
    min_q : float
        A QPO has a larger quality factor than this (by convention 2: van der Klis 2006, in
        "Compact Stellar X-ray Sources", CUP, section 2.1).
    frequency_range : tuple of float, optional
        Lowest and highest centroid frequency, Hz.

    Returns
    -------
    component : str or None
        Name of the QPO's component, None if there is none. A blend of Lorentzians is named
        ``lorentzian.2+lorentzian.3`` (`pipeline.fit.blends`) and stands for all of them.
    ambiguous : bool
        Whether another narrow Lorentzian has at least half its rms.
    """
    lo, hi = frequency_range or (0.0, float("inf"))
    variances = {
        component: row["value"]
        for (component, name), row in parameters.items()
        if name == "variance"
        and component.split(".")[0] in LORENTZIANS
        and quality(parameters, component) > min_q
        and lo <= parameters[component, "frequency"]["value"] <= hi
    }
    if not variances:
        return None, False
    for blend in [name for name in variances if "+" in name]:
        for member in blend.split("+"):
            variances.pop(member, None)
    strongest = max(variances, key=variances.__getitem__)
    limit = _AMBIGUOUS_VARIANCE * variances.pop(strongest)
    return strongest, any(v >= limit for v in variances.values())
