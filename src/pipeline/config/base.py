"""What the options of every section have in common."""

import json
from collections.abc import Collection
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ConfigError(ValueError):
    """The configuration is wrong; the message is one line for the user."""


class Options(BaseModel):
    """Base of every section: unknown keys are errors, values are not changed after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


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
