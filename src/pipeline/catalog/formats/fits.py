"""The catalogue as FITS binary tables, all in one file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.catalog.formats.base import Output
from pipeline.columns.base import Table

if TYPE_CHECKING:
    from pipeline.catalog.formats.rows import Rows


class Fits:
    """The catalogue as FITS binary tables, all in one file. See `pipeline.catalog.formats.base.Format`."""

    name = "fits"
    label = "FITS"
    main = "catalog.fits"
    is_limited = True

    def outputs(self, tables: Sequence[Table]) -> tuple[Output, ...]:
        """Return the one file."""
        return (Output(self.name, self.main),)

    def write(self, folder: Path, tables: Mapping[Table, Rows], title: str) -> Mapping[str, int]:
        """Write the file."""
        from pipeline.catalog.formats.write_fits import write_fits

        write_fits(folder / self.main, tables, title)
        return {}
