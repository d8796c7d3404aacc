"""What a format of the catalogue declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pipeline.columns.base import Table

if TYPE_CHECKING:
    from pipeline.catalog.formats.rows import Rows


@dataclass(frozen=True)
class Output:
    """One file or folder that a format writes.

    Attributes
    ----------
    name : str
        Its name among the outputs of the rule.
    path : str
        Its path under the folder of the catalogue.
    table : Table, optional
        The table of the catalogue that it holds, if it is one table and nothing else.
    is_folder : bool, optional
        Whether it is a folder.
    """

    name: str
    path: str
    table: Table | None = None
    is_folder: bool = False


class Format(Protocol):
    """A format in which the catalogue is published.

    A module that declares a format is light: it imports neither Astropy nor PyArrow. The modules that do the
    work are imported by `write`.

    Attributes
    ----------
    name : str
        Its name in the option ``catalog.formats``.
    label : str
        The text of its link in the report.
    main : str
        Path under the folder of the catalogue of the file or folder that readers open.
    is_limited : bool
        Whether tables larger than ``catalog.largest_table`` are left out.
    """

    name: str
    label: str
    main: str
    is_limited: bool

    def outputs(self, tables: Sequence[Table]) -> tuple[Output, ...]:
        """Return the files and folders that the format writes for these tables of the catalogue."""

    def write(self, folder: Path, tables: Mapping[Table, Rows], title: str) -> Mapping[str, int]:
        """Write the catalogue.

        Parameters
        ----------
        folder : Path
            Folder of the catalogue.
        tables : mapping of Table to Rows
            The tables of the catalogue, in order: of a format with `is_limited` those that are not too large. Rows
            are read a block at a time, as they are inside the code: NaN, empty text or zero where there is no value.
        title : str
            Title of the whole catalogue.

        Returns
        -------
        mapping of str to int
            Numbers of rows that the provenance and the summary give, where the format does not write one row
            for each row of a table; else empty.
        """
