"""Options from a dictionary, or the first thing that is wrong with it, in one line."""

import difflib
import types
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError

from pipeline.config.base import ConfigError, Options

Section = TypeVar("Section", bound=Options)


def validate_section(values: dict, section: type[Section]) -> Section:
    """Turn a dictionary into a section, or raise a one-line `ConfigError`."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_one_line(error, section)) from error


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
