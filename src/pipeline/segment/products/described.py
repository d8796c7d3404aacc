"""Columns that the rows of several products have."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.columns.base import Table
from pipeline.segment.members import Member
from pipeline.segment.observation import Header
from pipeline.segment.products.base import IDENTITY
from pipeline.tables import empty_row


def identity(table: Table, first: Header) -> dict[str, Any]:
    """Return an empty row of a table with the identity of its first observation."""
    return empty_row(table) | {name: getattr(first, name) for name in IDENTITY}


def of_members(members: Sequence[Member]) -> dict[str, Any]:
    """Return the columns that say which observations were averaged, apart from their identifiers."""
    headers = [member.header for member in members]
    return {
        "n_observations": len(headers),
        "mjd_start": np.min([header.mjd_start for header in headers]),
        "mjd_stop": np.max([member.mjd_stop for member in members]),
        "exposure": sum(header.exposure for header in headers),
    }
