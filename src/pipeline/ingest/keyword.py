"""Values of single FITS keywords, which may be absent or damaged."""

import math
import re
from collections.abc import Mapping
from typing import Any

_WHOLE = re.compile(r"[0-9]{1,18}")
_TRUE = frozenset({"T", "TRUE", "Y", "YES", "ON", "DONE", "APPLIED", "COMPLETE"})


def number(header: Mapping[str, Any], key: str) -> float | None:
    """Return a keyword as a finite number, None if it is absent or is not a number."""
    value = header.get(key)
    if value is None or isinstance(value, bool):
        return None
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def positive(header: Mapping[str, Any], key: str) -> float:
    """Return a keyword as a positive number, NaN if it is absent or is not one."""
    value = number(header, key)
    return value if value is not None and value > 0 else math.nan


def is_true(value: object) -> bool:
    """Return whether the value of a keyword means yes: T, 1, 1.0, 'T', 'YES'."""
    if isinstance(value, str):
        value = value.strip().upper()
        if value in _TRUE:
            return True
    if not isinstance(value, (str, bool, int, float)):
        return False
    try:
        return float(value) == 1
    except ValueError:
        return False


def whole(value: object) -> int | None:
    """Return the value of a keyword as a whole number, None if it is not one."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
