"""The catalogue as Parquet, one file a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.catalog.formats.base import Output
from pipeline.columns.base import Table

if TYPE_CHECKING:
    from pipeline.catalog.formats.rows import Rows


class Parquet:
    """The catalogue as Parquet, one file a table. See `pipeline.catalog.formats.base.Format`."""

    name = "parquet"
    label = "Parquet"
    main = "sources.parquet"
    is_limited = False

    def outputs(self, tables: Sequence[Table]) -> tuple[Output, ...]:
        """Return a file for each table."""
        return tuple(Output(table.name.lower(), _file(table), table) for table in tables)

    def write(self, folder: Path, tables: Mapping[Table, Rows], title: str) -> Mapping[str, int]:
        """Write the files; their metadata name the tables, not the whole."""
        from pipeline.catalog.formats.write_parquet import write_parquet_table

        for table, rows in tables.items():
            write_parquet_table(folder / _file(table), rows)
        return {}


def _file(table: Table) -> str:
    return f"{table.name.lower()}.parquet"
