"""The sources as a HATS catalogue, partitioned by place in the sky."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.catalog.formats.base import Output
from pipeline.columns.base import Table

if TYPE_CHECKING:
    from pipeline.catalog.formats.rows import Rows


class HATS:
    """The sources as a HATS catalogue (IVOA note, 2025): see `pipeline.catalog.formats.base.Format`.

    The other tables have no positions; they join by ``source_id`` from Parquet. Sources without a position are in
    a table of their own in the same folder.
    """

    name = "hats"
    label = "HATS"
    main = "hats"
    is_limited = False

    def outputs(self, tables: Sequence[Table]) -> tuple[Output, ...]:
        """Return the one folder."""
        return (Output(self.name, self.main, is_folder=True),)

    def write(self, folder: Path, tables: Mapping[Table, Rows], title: str) -> Mapping[str, int]:
        """Write the folder, and return how many sources have a position and how many have none."""
        from pipeline.catalog.formats.write_hats import write_hats
        from pipeline.columns.catalogue import SOURCES

        return write_hats(folder / self.main, tables[SOURCES], title)
