"""Arrays that callers give to a fit, as plain numbers: masks, units and spectra of other packages.

No package is imported for that: the attributes of an object tell its kind.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

UNITS = {"frequency": ("Hz",), "width": ("Hz",), "n": ("",), "power": ("1 / Hz", "")}
"""Units that each array is converted to, the first that it can be converted to."""


def numbers(name: str, given: Any, unit: str | None = None) -> np.ndarray:
    """Return an array of float, NaN where it is masked.

    Parameters
    ----------
    name : str
        Name of the array: ``power``, ``frequency``, ``n``, ``error`` or ``width``.
    given : array-like
        Numbers; a masked array; an Astropy `Quantity`, `Column` or `Masked` quantity, a quantity of Pint, or a
        list of these.
    unit : str, optional
        Unit to convert a quantity to; by default one of `UNITS`.

    Returns
    -------
    array
        Of float.

    Raises
    ------
    ValueError
        If it is no array of real numbers, or its unit cannot be converted.
    """
    if isinstance(given, (list, tuple)) and any(map(_is_more, given)):
        given = [numbers(name, one, unit) for one in given]
    mask = getattr(given, "mask", None)
    plain = _without_unit(name, given, UNITS.get(name, ("",)) if unit is None else (unit,))
    plain = getattr(plain, "unmasked", plain)
    if isinstance(plain, np.ma.MaskedArray):
        plain = plain.data
    array = _as_array(name, plain)
    if array.dtype.kind == "c":
        raise ValueError(
            f"{name} is complex, as a cross spectrum or a Fourier transform is: give real numbers (the power "
            "is the squared modulus)"
        )
    array = _as_array(name, array, float)
    if isinstance(mask, (np.ndarray, np.bool_)) and mask.any():
        array[np.broadcast_to(mask, array.shape)] = np.nan
    return array


def _as_array(name: str, given: Any, dtype: type | None = None) -> np.ndarray:
    """Return a copy as an array; raise ValueError where that cannot be."""
    try:
        return np.array(given, dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name} is not an array of numbers ({error}): give numbers, and rows of one length; where "
            "spectra differ in length fill them up with NaN"
        ) from None


def unit_of(name: str, given: Any) -> str | None:
    """Return the unit that a quantity is converted to by `numbers`, None for plain numbers."""
    if isinstance(given, (list, tuple)) and given:
        given = given[0]
    if _unit(given) is None:
        return None
    for unit in UNITS[name]:
        if _converted(given, unit) is not None:
            return unit
    return None


def _is_more(given: Any) -> bool:
    """Return whether an item of a list has a mask or a unit, which a plain array would lose."""
    return isinstance(getattr(given, "mask", None), np.ndarray) or _unit(given) is not None


def _unit(given: Any) -> Any:
    """Return the unit of a quantity, None where there is none."""
    return getattr(given, "unit", getattr(given, "units", None))


def _without_unit(name: str, given: Any, units: Sequence[str]) -> Any:
    """Return the values of a quantity in the first unit that it can be converted to; anything else as it is."""
    unit = _unit(given)
    if unit is None or unit == "":
        return given
    for wanted in units:
        values = _converted(given, wanted)
        if values is not None:
            return values
    allowed = " or ".join(
        "a number without a unit" if u == "" else u.replace(" ", "") for u in units
    )
    raise ValueError(
        f"{name} is in {str(unit) or 'numbers'}, which is not a unit of it: give {allowed}"
    )


def _converted(given: Any, unit: str) -> Any:
    """Return the values of a quantity in a unit, None where it cannot be converted."""
    given = getattr(given, "quantity", given)  # of a column of a table
    try:
        given = given.to(unit or "dimensionless" if hasattr(given, "magnitude") else unit)
    except Exception:  # each package has its own for this
        return None
    return given.magnitude if hasattr(given, "magnitude") else given.value


def as_models(model: Any) -> tuple[str, list]:
    """Return the components of a model as it stands in a configuration: a list, a mapping, or one name.

    Parameters
    ----------
    model : str, Component, mapping or sequence
        ``["constant", {"lorentzian": {"up_to": 3}}]``, ``{"constant": {}, "lorentzian": {"up_to": 3}}``, or
        one entry of `fit.models`: ``{"qpo": ["constant", "lorentzian"]}``.

    Returns
    -------
    str
        Name of the model.
    list
        Components.

    Raises
    ------
    ValueError
        For several models, or none.
    """
    if isinstance(model, dict):
        lists = [name for name, inside in model.items() if isinstance(inside, (list, tuple))]
        if lists and len(model) > 1:
            raise ValueError(
                f"these are {len(model)} models ({', '.join(model)}): fit one at a time"
            )
        if lists:
            ((name, components),) = model.items()
            return name, list(components)
        if "name" in model:  # one component in its long form
            return "model", [model]
        return "model", [{name: inside or {}} for name, inside in model.items()]
    if isinstance(model, str) or not hasattr(model, "__iter__"):
        return "model", [model]
    return "model", list(model)
