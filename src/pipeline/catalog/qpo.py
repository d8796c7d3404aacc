"""Which Lorentzian of a fitted model is the quasi-periodic oscillation, and whether a test was of it."""

from collections.abc import Iterable, Mapping
from math import hypot, isfinite, nan, sqrt

from pipeline.components import LORENTZIANS
from pipeline.prominence import is_narrow, prominence

AMBIGUOUS_RATIO = 0.5
"""A rival of so large a part of the rms of the QPO leaves open which of them it is."""

RATIOS = (1 / 3, 1 / 2, 2.0, 3.0, 4.0)
"""Frequencies of harmonics and sub-harmonics over that of the QPO."""
_SIGMAS, _MOST = 3.0, 0.1
"""How far off a harmonic may be: in errors, and in parts of its frequency."""

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
) -> tuple[str | None, str, float]:
    """Find the most prominent narrow Lorentzian of a model.

    It has the largest frequency times power at its centroid (`pipeline.prominence`), of those of which neither
    frequency nor variance is at a bound. The variance would take a shoulder for the peak above it.

    Parameters
    ----------
    parameters : mapping
        See `index`; those of one fitted model.
    min_q : float
        A QPO has a larger quality factor than this, with 95 % confidence (by convention 2: van der
        Klis 2006, in "Compact Stellar X-ray Sources", CUP, section 2.1).
    frequency_range : tuple of float, optional
        Lowest and highest centroid frequency, Hz.

    Returns
    -------
    component : str or None
        Name of the QPO's component, None if there is none. A blend of Lorentzians is named
        ``lorentzian.2+lorentzian.3`` (`pipeline.fit.tables.blends`) and stands for all of them.
    rival : str
        The next most prominent of them, empty if there is none.
    ratio : float
        Its rms over that of the QPO; NaN if there is none.
    """
    lo, hi = frequency_range or (0.0, float("inf"))
    heights = {
        component: _height(parameters, component)
        for (component, name), row in parameters.items()
        if name == "variance"
        and component.split(".")[0] in LORENTZIANS
        and row["value"] > 0
        and _is_narrow(parameters, component, min_q)
        and not row.get("at_bound", False)
        and not _place(parameters, component).get("at_bound", False)
        and lo <= parameters[component, "frequency"]["value"] <= hi
    }
    if not heights:
        return None, "", nan
    for blend in [name for name in heights if "+" in name]:
        for member in blend.split("+"):
            heights.pop(member, None)
    strongest = max(heights, key=heights.__getitem__)
    del heights[strongest]
    rival = max(heights, key=heights.__getitem__, default="")
    if not rival:
        return strongest, "", nan
    ratio = parameters[rival, "variance"]["value"] / parameters[strongest, "variance"]["value"]
    return strongest, rival, sqrt(ratio)


def _is_narrow(parameters: Parameters, component: str, min_q: float) -> bool:
    """Whether the quality factor of a component is above the least one with 95 % confidence."""
    q = parameters.get((component, "q"), {})
    return bool(is_narrow(quality(parameters, component), q.get("err_lo", nan), min_q))


def _height(parameters: Parameters, component: str) -> float:
    """Frequency times power at the centroid; the fit knows it with the widths of the bins."""
    known = parameters.get((component, "peak_power"))
    if known is not None and isfinite(known["value"]):
        return known["value"]
    shape = (parameters[component, n]["value"] for n in ("variance", "frequency", "fwhm"))
    return float(prominence(*shape))


def _place(parameters: Parameters, component: str) -> Mapping:
    """Row of the fitted parameter that is the place of a component."""
    fitted = "nu_max" if component.startswith("lorentzian_numax") else "frequency"
    return parameters.get((component, fitted), parameters[component, "frequency"])


def is_of(parameters: Parameters, qpo: str, test: Mapping) -> bool:
    """Return whether the peak that a test found is the QPO: whether their half-maximum ranges overlap.

    Parameters
    ----------
    parameters : mapping
        See `index`; those of the fitted model.
    qpo : str
        Name of the QPO's component.
    test : mapping
        ``lrt_frequency`` and ``lrt_fwhm``, Hz, and ``lrt_component``, which decides where they are NaN.
    """
    if not isfinite(test["lrt_frequency"]):
        return test["lrt_component"] in ("", *qpo.split("+"))
    width = test["lrt_fwhm"] if isfinite(test["lrt_fwhm"]) else 0.0
    reach = (parameters[qpo, "fwhm"]["value"] + width) / 2
    return abs(parameters[qpo, "frequency"]["value"] - test["lrt_frequency"]) <= reach


def harmonics(
    parameters: Parameters, qpo: str, min_q: float
) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Find the narrow Lorentzians at a harmonic or sub-harmonic of a QPO.

    Parameters
    ----------
    parameters : mapping
        See `index`; those of one fitted model.
    qpo : str
        Name of the QPO's component.
    min_q : float
        Least quality factor of a harmonic.

    Returns
    -------
    components : tuple of str
        Their names, in order of frequency.
    ratios : tuple of float
        The ratio of `RATIOS` that each has to the QPO: within three of its errors and a tenth.
    """
    own, found = parameters[qpo, "frequency"], []
    for (component, name), row in parameters.items():
        if name != "frequency" or component.split(".")[0] not in LORENTZIANS:
            continue
        if component in (qpo, *qpo.split("+")) or "+" in component:
            continue
        if quality(parameters, component) <= min_q:
            continue
        for ratio in RATIOS:
            off = abs(row["value"] - ratio * own["value"])
            error = hypot(_error(row), ratio * _error(own))
            if isfinite(error) and off <= min(_SIGMAS * error, _MOST * ratio * own["value"]):
                found.append((row["value"], component, ratio))
    found.sort()
    return tuple(f[1] for f in found), tuple(f[2] for f in found)


def _error(row) -> float:
    """Mean of the two errors of a parameter."""
    return (row["err_lo"] + row["err_hi"]) / 2
