"""The catalogue as a VOTable, all tables in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.catalog.formats.base import Output
from pipeline.columns.base import Table

if TYPE_CHECKING:
    from pipeline.catalog.formats.rows import Rows


class VOTable:
    """The catalogue as a VOTable, all tables in one file. See `pipeline.catalog.formats.base.Format`."""

    name = "votable"
    label = "VOTable"
    main = "catalog.vot"
    is_limited = True

    def outputs(self, tables: Sequence[Table]) -> tuple[Output, ...]:
        """Return the one file."""
        return (Output(self.name, self.main),)

    def write(self, folder: Path, tables: Mapping[Table, Rows], title: str) -> Mapping[str, int]:
        """Write the file."""
        from pipeline.catalog.formats.write_votable import write_votable

        write_votable(folder / self.main, tables, title)
        return {}
