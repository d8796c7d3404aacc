"""Tables that come in any order and are read sorted, also where they do not fit into memory."""

import os
import shutil
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp

import pyarrow as pa
import pyarrow.compute as pc

LIMIT = 192 << 20
"""Bytes of rows that are held in memory before they are sorted and go to files."""
BATCH, BLOCK = 1 << 20, 48 << 20
"""Bytes, before compression, of the smallest part of a file that is read, and of a block of sorted rows."""


@dataclass
class _Run:
    """Sorted rows in a file.

    Attributes
    ----------
    path : Path
        A file of Arrow, compressed.
    first : list
        The first word of the first key in each of its batches.
    """

    path: Path
    first: list

    @classmethod
    def write(cls, path: Path, data: pa.Table, key: str) -> "_Run":
        """Write rows that are sorted."""
        data = data.combine_chunks()
        rows = max(1, data.num_rows * BATCH // max(1, data.nbytes))
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        plain = data.replace_schema_metadata(None)
        with (
            pa.OSFile(os.fsencode(path), "wb") as file,
            pa.ipc.new_file(file, plain.schema, options=options) as out,
        ):
            out.write_table(plain, max_chunksize=rows)
        places = pa.array(range(0, data.num_rows, rows), pa.int64())
        return cls(path, data.column(key).take(places).to_pylist())

    def between(self, key: str, low: object, high: object) -> pa.Table:
        """Return the rows from one word of a key on, and before another one; None: without a limit."""
        start = 0 if low is None else max(0, bisect_left(self.first, low) - 1)
        stop = len(self.first) if high is None else bisect_left(self.first, high)
        with pa.memory_map(os.fsencode(self.path)) as file, pa.ipc.open_file(file) as reader:
            batches = [reader.get_batch(k) for k in range(start, stop)]
            data = pa.Table.from_batches(batches, reader.schema)
        keys = data.column(key)
        begin = 0 if low is None else pc.sum(pc.less(keys, low)).as_py() or 0
        end = data.num_rows if high is None else pc.sum(pc.less(keys, high)).as_py() or 0
        return data.slice(begin, end - begin)


@dataclass
class _Part:
    """One table of a spool."""

    keys: Sequence[str]
    waiting: list[pa.Table] = field(default_factory=list)
    runs: list[_Run] = field(default_factory=list)
    schema: pa.Schema | None = None

    def sorted(self, pieces: list[pa.Table]) -> pa.Table:
        """Return rows sorted; those with the same keys stay in their order."""
        data = pa.concat_tables(pieces)
        order = pc.sort_indices(data, [(key, "ascending") for key in self.keys])
        return data.take(order).cast(self.schema)


class Spool:
    """Rows of several tables that are added in any order, and read sorted.

    Rows that have the same keys come in the order in which they were added. Memory is used up to a limit; what
    is above it is sorted and written into files, of which one is open at a time.

    Parameters
    ----------
    folder : Path
        Folder of the files, which is there.
    keys : mapping of str to sequence of str
        Columns that each table is sorted by, by the name of the table. Rows with the same first key are in one block.
    limit : int, optional
        Bytes of rows that are held in memory.
    """

    def __init__(self, folder: Path, keys: Mapping[str, Sequence[str]], limit: int = LIMIT) -> None:
        self._folder = Path(mkdtemp(dir=folder))  # another spool may have the same folder
        self._limit, self._held = limit, 0
        self._parts = {name: _Part(columns) for name, columns in keys.items()}
        self._count = 0

    def add(self, name: str, data: pa.Table) -> None:
        """Add rows to a table."""
        part = self._parts[name]
        part.schema = part.schema or data.schema
        if not data.num_rows:
            return
        part.waiting.append(data)
        self._held += data.nbytes
        if self._held > self._limit:
            for one in self._parts.values():
                self._store(one)
            self._held = 0

    def blocks(self, name: str) -> Iterator[pa.Table]:
        """Yield the rows of a table in order, a block at a time."""
        part = self._parts[name]
        if not part.runs:
            if part.waiting:
                yield part.sorted(part.waiting)
            return
        self._store(part)
        key = part.keys[0]
        for low, high in pairwise([None, *_limits(part.runs), None]):
            pieces = [run.between(key, low, high) for run in part.runs]
            if sum(piece.num_rows for piece in pieces):
                yield part.sorted(pieces)

    def _store(self, part: _Part) -> None:
        """Write the rows of a table that are in memory into a file."""
        if not part.waiting:
            return
        path = self._folder / f"{self._count}.arrow"
        self._count += 1
        part.runs.append(_Run.write(path, part.sorted(part.waiting), part.keys[0]))
        part.waiting = []


@contextmanager
def folder_for_sorting(parent: Path) -> Iterator[Path]:
    """Yield an empty folder in another one, and remove it at the end; so is the other one if it was not there."""
    was_there = parent.exists()
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / ".sorting.tmp"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not was_there:
            with suppress(OSError):  # it has something in it
                parent.rmdir()


def _limits(runs: list[_Run]) -> list:
    """Return words between blocks of about `BLOCK` bytes."""
    words = sorted(word for run in runs for word in run.first)
    return list(dict.fromkeys(words[BLOCK // BATCH :: BLOCK // BATCH]))
