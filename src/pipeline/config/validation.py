"""Options from a dictionary, or the first thing that is wrong with it, in one line."""

import difflib
import types
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError

from pipeline.config.base import ConfigError, Options

Section = TypeVar("Section", bound=Options)


_PATHS = frozenset({"archive", "truth", "components_folder", "copies"})
"""Keys whose text is a path, which may have bytes that are no text."""


def validate_section(values: dict, section: type[Section]) -> Section:
    """Turn a dictionary into a section, or raise a one-line `ConfigError`."""
    _refuse_what_is_no_text(values, "")
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_one_line(error, section)) from error


def _refuse_what_is_no_text(value: Any, key: str, is_path: bool = False) -> None:
    """Raise ConfigError for text that no table or command line can hold: with a NUL, or half a character."""
    if isinstance(value, dict):
        for name, inside in value.items():
            _refuse_what_is_no_text(name, f"{key} (a name)".strip())
            place = f"{key}.{name}" if key else str(name)
            _refuse_what_is_no_text(inside, place, name in _PATHS and "://" not in str(inside))
    elif isinstance(value, list):
        for inside in value:
            _refuse_what_is_no_text(inside, key)
    elif isinstance(value, str):
        odd = next(
            (c for c in value if c == "\0" or ("\ud800" <= c <= "\udfff" and not is_path)), ""
        )
        if odd:
            raise ConfigError(f"{key}: has the character {odd!a}, which is no text: remove it")


def _one_line(error: ValidationError, section: type[Options]) -> str:
    """Say the first thing that is wrong: its key, what was found, what is allowed.

    A misspelt key comes before the one that is then missing.
    """
    errors = error.errors()
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    location = [str(part) for part in first["loc"]]
    key = ".".join(location) or "configuration"
    kind, found = first["type"], first.get("input")
    if kind == "extra_forbidden":
        allowed = sorted(_keys_at(section, first["loc"][:-1]))
        close = difflib.get_close_matches(location[-1], allowed, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f"{key}: unknown key{hint} Allowed: {', '.join(allowed)}"
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if kind == "missing":
        return f"{key}: this key is required"
    if kind == "value_error":
        return f"{key}: {message}"
    shown = "…" if isinstance(found, (dict, list)) and len(str(found)) > 60 else repr(found)
    return f"{key}: {message} (found {shown})"


def _keys_at(section: type[Options], location: tuple[int | str, ...]) -> set[str]:
    """Return the keys that are allowed at a place in a section."""
    current: Any = section
    for part in location:
        fields = getattr(current, "model_fields", {})
        if part in fields:
            current = fields[part].annotation
        elif get_origin(current) in (dict, list):
            current = get_args(current)[-1]
        else:
            return set()
        if get_origin(current) in (Union, types.UnionType):  # an option that may be null
            current = get_args(current)[0]
    return set(getattr(current, "model_fields", {}))
