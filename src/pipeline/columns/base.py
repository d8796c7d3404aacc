"""What a column and a table are."""

from dataclasses import dataclass
from functools import cached_property
from types import EllipsisType


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    name : str
        Its name in every format.
    dtype : str
        NumPy name of the element type: ``str``, ``bool``, ``int32``, ``int64``, ``float32``, ``float64``.
    description : str
        One sentence.
    unit : str
        Unit in the FITS and VOUnit convention; empty when dimensionless.
    ucd : str
        IVOA UCD1+.
    array : bool
        Whether a cell holds a list instead of a scalar.
    vector : bool, optional
        Whether the lists of a catalogue are all of one length, or empty.
    null : str, float, int or None, optional
        The value that stands for no value, and is null in files. By default it is NaN in columns of floats and
        empty text in columns of text, and there is none in columns of integers and truth values. None: there is
        none.
    of : str, optional
        Name of the column that this one is about: where that has no value, this one has none.
    """

    name: str
    dtype: str
    description: str
    unit: str = ""
    ucd: str = "meta.note"
    array: bool = False
    vector: bool = False
    null: str | float | EllipsisType | None = ...
    of: str = ""


@dataclass(frozen=True)
class Table:
    """A table: its name, a sentence, its columns in order, and what makes a row unique."""

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    def column(self, name: str) -> Column:
        """Return the column called `name`; raises KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def __hash__(self) -> int:
        """Return the hash of its name: that of all columns takes longer than what is looked up by it."""
        return hash(self.name)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(c.name for c in self.columns)


def with_errors(column: Column) -> tuple[Column, Column, Column]:
    """Return a column of measured values, and the columns of their lower and upper 68.3 % errors."""
    lower, upper = (
        Column(
            f"{column.name}_err_{end}",
            column.dtype,
            f"{side} 68.3 % error of {column.name}.",
            column.unit,
            f"stat.error;{column.ucd}",
        )
        for end, side in (("lo", "Lower"), ("hi", "Upper"))
    )
    return column, lower, upper
