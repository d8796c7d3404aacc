"""The table of sources for the page: rows in blocks, and whole columns to sort, to filter and to search by."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.columns.catalogue import SOURCES
from pipeline.report.data import DataFiles
from pipeline.report.embed import column, encoded, floats, searchable
from pipeline.status import HAS_RESULT
from pipeline.tables import opened, unpacked

ROWS, COLUMN, TEXT = 256, 131_072, 16_384
"""Sources in a block of rows, in a piece of a column, and in a piece of the text that is searched."""
MEASURED = ("slope", "bend_frequency", "qpo_frequency", "qpo_q", "qpo_rms", "rms")
NUMBERS = (*MEASURED, "qpo_p_value", "mean_rate", "delta_bic", "exposure")
"""Columns of numbers that the page sorts by, or has histograms of."""
DERIVED = "reduced_deviance"
WORDS = ("mission", "status", "model", "instrument", "product", "kind")
"""Columns of few different texts."""
NAMES = ("source_id", "object", "observation_id", "reason")
"""Columns of text that is different in each source."""
_EXACT = ("mjd_start",)
_SHOWN = (
    *NAMES[:2],
    "reason",
    *WORDS,
    *NUMBERS,
    *(
        name
        for measured in MEASURED
        for what in ("err_lo", "err_hi", "open_lo", "open_hi", "limit")
        if (name := f"{measured}_{what}") in SOURCES.names
    ),
    *("qpo_p_is_limit", "flags", "norm", "m", "segment_size", *_EXACT),
    *("excess_variance", "excess_variance_err"),
)
"""What the page shows of a source."""
_READ = tuple(n for n in SOURCES.names if n in {*_SHOWN, *NAMES, "deviance", "n_bins", "n_free"})


def read_sources(path: Path, rows: int) -> Iterator[pa.Table]:
    """Read what the page shows of SOURCES, `rows` rows at a time; the last piece may have fewer.

    Raises
    ------
    TableError
        When the file cannot be used.
    """
    waiting: list[pa.RecordBatch] = []
    with opened(path, SOURCES, _READ) as file:
        for batch in file.iter_batches(rows, columns=list(_READ)):
            waiting.append(batch)
            if sum(len(one) for one in waiting) >= rows:
                whole = pa.Table.from_batches(waiting)
                yield unpacked(SOURCES, whole.slice(0, rows))
                waiting = whole.slice(rows).to_batches()
    if waiting:
        yield unpacked(SOURCES, pa.Table.from_batches(waiting))


def reduced_deviance(table: pa.Table) -> np.ndarray:
    """Return deviance over degrees of freedom, NaN where there are none, shape (rows,)."""
    deviance, bins, free = (
        table.column(name).to_numpy() for name in ("deviance", "n_bins", "n_free")
    )
    freedom = np.where(bins > free, bins - free, np.nan)
    return deviance / freedom


class SourceFiles:
    """Writes the table of sources, a piece at a time.

    Parameters
    ----------
    data : DataFiles
        Takes the pieces: ``rows-K``, ``column-NAME-K`` and ``text-K``.
    limit : int
        Number of sources whose power spectrum is shown: the first that have a result.

    Attributes
    ----------
    shown : list of (str, str)
        Source and product of those.
    n_sources : int
        Sources written.
    """

    def __init__(self, data: DataFiles, limit: int) -> None:
        self.shown: list[tuple[str, str]] = []
        self.n_sources = 0
        self._data, self._limit = data, limit
        self._pieces: dict[str, list[np.ndarray]] = {n: [] for n in (*NUMBERS, DERIVED, *WORDS)}
        self._written = 0
        self._words: dict[str, dict[str, int]] = {name: {} for name in WORDS}

    def add(self, table: pa.Table) -> None:
        """Add the next sources: `TEXT` of them, or fewer if they are the last."""
        details = self._details(table)
        for start in range(0, table.num_rows, ROWS):
            block = table.slice(start, ROWS)
            content = {n: column(block.column(n), exact=n in _EXACT) for n in _SHOWN}
            content["detail"] = {"f8": encoded(details[start : start + ROWS], "<f8")}
            name = f"rows-{(self.n_sources + start) // ROWS}"
            self._data.put(name, {"n": block.num_rows, "columns": content})
        self._data.put(
            f"text-{self.n_sources // TEXT}", searchable([table.column(n) for n in NAMES])
        )
        for name in NUMBERS:
            self._pieces[name].append(table.column(name).to_numpy())
        self._pieces[DERIVED].append(reduced_deviance(table))
        for name in WORDS:
            self._pieces[name].append(self._codes(name, table.column(name)))
        self.n_sources += table.num_rows
        if self.n_sources - self._written >= COLUMN:
            self._write_columns()

    def finish(self) -> dict[str, Any]:
        """Write what is left and return what the page has to know of the pieces."""
        if self.n_sources > self._written:
            self._write_columns()
        return {
            "rows": ROWS,
            "column": COLUMN,
            "text": TEXT,
            "words": {name: list(words) for name, words in self._words.items()},
        }

    def _details(self, table: pa.Table) -> np.ndarray:
        """Return the number of each source among those that are shown, -1 where it is not."""
        status, product, source = (
            table.column(name).to_pylist() for name in ("status", "product", "source_id")
        )
        numbers = np.full(len(status), -1.0)
        for k, one in enumerate(status):
            if len(self.shown) == self._limit:
                break
            if one in HAS_RESULT:
                numbers[k] = len(self.shown)
                self.shown.append((source[k], product[k]))
        return numbers

    def _codes(self, name: str, cells: pa.ChunkedArray) -> np.ndarray:
        """Return the number of each text of a column, in the order in which they first came."""
        known = self._words[name]
        found = cells.combine_chunks().dictionary_encode()
        numbers = [known.setdefault(word, len(known)) for word in found.dictionary.to_pylist()]
        return np.array(numbers, dtype=np.uint32)[found.indices.to_numpy(False)]

    def _write_columns(self) -> None:
        """Write a piece of each column."""
        number = self._written // COLUMN
        for name, pieces in self._pieces.items():
            values = np.concatenate(pieces)
            text = encoded(values, "<u4") if name in WORDS else floats(values)
            self._data.put(f"column-{name}-{number}", text)
            pieces.clear()
        self._written = self.n_sources
