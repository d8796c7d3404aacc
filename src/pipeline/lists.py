"""Lists that stages hand on and people can read: tab-separated text with every cell in quotes.

Names of files and objects may hold any character. In quotes, a tab or an end of a line is a part of its cell.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.seals import DamagedTable
from pipeline.tables import atomic_path

LONGEST_CELL = 1 << 28
"""Most characters of a cell; Python's own limit, 2^17, is less than a header may hold."""


def write_list(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a list, atomically.

    Parameters
    ----------
    path : Path
        Where to.
    columns : sequence of str
        Names of the columns, which are the first line.
    rows : iterable of sequence of str
        The cells of each row.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    writer.writerows(rows)
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.getvalue().encode())


def read_list(path: Path, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Read some columns of a list.

    Parameters
    ----------
    path : Path
        A list that `write_list` wrote.
    columns : sequence of str
        Names of the columns to read.

    Returns
    -------
    list of tuple of str
        The cells of each row, in the order of `columns`.

    Raises
    ------
    DamagedTable
        Where the file is not such a list: a row has another number of cells, or a column is missing.
    """
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        with open(path, encoding="utf-8", newline="") as handle:
            rows = list(csv.reader(handle, delimiter="\t", strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DamagedTable(path, f"is damaged ({error})") from error
    finally:
        csv.field_size_limit(before)
    heading = rows[0] if rows else []
    if missing := [name for name in columns if name not in heading]:
        raise DamagedTable(path, f"has no column {missing[0]!r}")
    for number, row in enumerate(rows):
        if len(row) != len(heading):
            what = f"row {number} has {len(row)} cells instead of {len(heading)}"
            raise DamagedTable(path, f"is damaged ({what})")
    places = [heading.index(name) for name in columns]
    return [tuple(row[place] for place in places) for row in rows[1:]]
