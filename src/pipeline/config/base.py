"""What the options of every section have in common."""

import json
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model


class ConfigError(ValueError):
    """The configuration is wrong; the message is one line for the user."""


class Options(BaseModel):
    """Base of every section: unknown keys are errors, values are not changed after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


def with_keys(section: type[Options], keys: Mapping[str, tuple[Any, Any]]) -> type[Options]:
    """Return a section with more keys: the options of products or analyses, which declare them elsewhere.

    Parameters
    ----------
    section : type of Options
        The section without them. Its name begins with an underscore, which the name of the result does not.
    keys : mapping of str to (type, Field)
        Type and field by name of the key.
    """
    fields: dict[str, Any] = dict(keys)
    return create_model(
        section.__name__.removeprefix("_"),
        __base__=section,
        __doc__=section.__doc__,
        __module__=section.__module__,
        **fields,
    )


def section_json(options: Options, only: Collection[str] | None = None) -> str:
    """Return a section as JSON with sorted keys: what a rule hands to its stage and is re-run by.

    Parameters
    ----------
    options : Options
        The section.
    only : collection of str, optional
        The keys that the rule depends on; all if not given.
    """
    include = None if only is None else set(only)
    return json.dumps(options.model_dump(mode="json", include=include), sort_keys=True)
