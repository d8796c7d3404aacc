"""The formats in which the catalogue is published: a module and a line here for each."""

from collections.abc import Iterable, Sequence

from pipeline.catalog.formats.base import Format, Output
from pipeline.catalog.formats.fits import Fits
from pipeline.catalog.formats.hats import HATS
from pipeline.catalog.formats.parquet import Parquet
from pipeline.catalog.formats.votable import VOTable
from pipeline.columns.base import Table

FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Fits(),
        VOTable(),
        Parquet(),
        HATS(),
    )
}
"""Every format, by its name in the option ``catalog.formats``."""

ALWAYS = ("parquet",)
"""Formats that every catalogue has: the report and `pipeline diff` read them."""

DEFAULT = ("parquet", "fits", "votable")
"""Formats of a survey that does not choose."""


def chosen(names: Iterable[str]) -> tuple[Format, ...]:
    """Return the formats of a catalogue, in the order of `FORMATS`, with those that every catalogue has."""
    wanted = {*ALWAYS, *names}
    return tuple(one for name, one in FORMATS.items() if name in wanted)


def outputs(names: Iterable[str], tables: Sequence[Table]) -> tuple[Output, ...]:
    """Return the files and folders of a catalogue.

    Parameters
    ----------
    names : iterable of str
        The option ``catalog.formats``.
    tables : sequence of Table
        The tables of the catalogue.
    """
    return tuple(output for one in chosen(names) for output in one.outputs(tables))
