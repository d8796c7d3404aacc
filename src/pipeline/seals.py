"""The seal of a table: what it is, what it was made from, and checksums by which damage shows.

The checksums of pages that Parquet has do not cover the headers of pages or the footer. So each file of this
pipeline has two more entries in its footer:

- `CHUNKS`: the CRC-32 of every column chunk, its headers included, in the order of row groups and columns;
- `SEAL`: a JSON object with the CRC-32 of the footer itself, the name of the table, the stage, the shard and the
  inputs that it was made from, numbers of rows, sources, products and models, and an identifier of the content.

The seal is read without Arrow from the end of a file, which takes some 30 microseconds: a run looks at all tables
of a survey before it starts.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zlib import crc32

SEAL, CHUNKS = "pipeline.seal", "pipeline.chunks"
"""Keys of the entries in the footer."""

_CRC, _ID, _SIZE = "0" * 8, "0" * 32, "0" * 16
_BEGIN = b'{"crc": "'
_TAIL = 1 << 16
_END = 8  # length of the footer, and PAR1
_HEADER = 6  # of a text in the footer, at most
_PIECE = 1 << 18
_KEY = ["source_id", "product", "model"]

PathLike = str | os.PathLike[str]


class TableError(ValueError):
    """A table is not what its declaration says."""


class DamagedTable(TableError):
    """A file is cut or altered, or another one than its place says: it is made again.

    Attributes
    ----------
    path : Path
        The file.
    what : str
        What is wrong with it.
    """

    ends_job = True
    """It is not the fault of the item that was worked on, see `pipeline.cluster.isolating_map`."""

    def __init__(self, path: PathLike, what: str):
        super().__init__(f"{os.fspath(path)} {what}")
        self.path, self.what = Path(path), what

    def __reduce__(self) -> tuple[type, tuple[Path, str]]:
        """Return how a process that gets the error from another one makes it again."""
        return DamagedTable, (self.path, self.what)


@dataclass(frozen=True)
class Origin:
    """Where a table comes from.

    Attributes
    ----------
    stage, shard : str
        Stage and shard that it was made for; empty if there is none.
    recipe : str
        Identifies the options that it was made by.
    inputs : mapping of str to str
        Identifier of each file that it was made from, see `identifier`.
    """

    stage: str = ""
    shard: str = ""
    recipe: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_shard(cls, stage: str, output: Path, recipe: str, **inputs: Path) -> "Origin":
        """Return the origin of a table of a shard, which is named in the name of its file."""
        found = {name: identifier(path) for name, path in inputs.items()}
        return cls(stage, output.name.partition(".")[0], recipe, found)


NO_ORIGIN = Origin()
"""Of a table that is of no survey."""


@dataclass(frozen=True)
class Seal:
    """What the footer of a file says of it.

    Attributes
    ----------
    table : str
        Name of the table.
    origin : Origin
        Where it comes from.
    counts : mapping of str to int
        Number of ``rows``, and of different sources (``source_id``), sources and products (``product``), and
        sources, products and models (``model``), as far as the table has these columns.
    id : str
        Identifies the content: two tables with the same content have the same one.
    size : int
        Bytes before the footer.
    """

    table: str
    origin: Origin = NO_ORIGIN
    counts: Mapping[str, int] = field(default_factory=dict)
    id: str = _ID
    size: int = 0

    def out_of_place(self, table: str, stage: str, shard: str = "") -> str:
        """Return what is wrong where a table of a stage and a shard should be; empty if nothing is."""
        if self.table != table:
            return f"is a table {self.table}, not {table}"
        if (self.origin.stage, self.origin.shard) != (stage, shard):
            return f"is of {self.origin.stage} {self.origin.shard}".rstrip()
        return ""

    def text(self, crc: str = _CRC) -> str:
        """Return the entry of the footer, which has the same length whatever its checksums are."""
        about = {"crc": crc, "id": self.id, "size": f"{self.size:016x}", "table": self.table}
        return json.dumps(about | {"counts": dict(self.counts), "origin": asdict(self.origin)})


class Counts:
    """Counts the rows of a table while it is written, and what they are of.

    Parameters
    ----------
    names : sequence of str
        Columns of the table.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._rows = 0
        self._keys = [_KEY[:k] for k in range(1, len(_KEY) + 1) if set(_KEY[:k]) <= set(names)]
        self._seen: dict[str, set[int]] = {key[-1]: set() for key in self._keys}

    def add(self, data: Any) -> None:
        """Take the rows of a table of Arrow into account."""
        self._rows += data.num_rows
        for key in self._keys:
            different = data.select(key).group_by(key, use_threads=False).aggregate([])
            words = (column.to_pylist() for column in different.columns)
            self._seen[key[-1]].update(map(hash, zip(*words, strict=True)))  # 8 bytes a key

    def found(self) -> dict[str, int]:
        """Return the numbers, see `Seal`."""
        return {"rows": self._rows} | {name: len(seen) for name, seen in self._seen.items()}


def blank(seal: Seal, groups: int, columns: int) -> dict[str, str]:
    """Return the entries of a footer before the checksums are known, for numbers of row groups and columns."""
    return {CHUNKS: _CRC * (groups * columns), SEAL: seal.text()}


def without_seal(metadata: Mapping[bytes, bytes] | None) -> dict[bytes, bytes]:
    """Return the metadata of a file without what only its reader needs."""
    ours = (SEAL.encode(), CHUNKS.encode())
    return {key: value for key, value in (metadata or {}).items() if key not in ours}


def close(path: PathLike, seal: Seal, metadata: Any) -> Seal:
    """Fill the checksums into a file that was written with the entries of `blank`, and return its seal.

    Parameters
    ----------
    path : path-like
        A Parquet file that is complete but for them.
    seal : Seal
        The seal that was given to `blank`.
    metadata : pyarrow.parquet.FileMetaData
        Its footer.
    """
    with open(path, "r+b") as file:
        size, footer = _footer(file.fileno(), path)
        crcs = "".join(f"{_crc(file.fileno(), *place):08x}" for place in _places(metadata))
        content = blake2b(f"{seal.table} {metadata.num_rows} {crcs}".encode(), digest_size=16)
        filled = Seal(seal.table, seal.origin, seal.counts, content.hexdigest(), size)
        footer = _filled(footer, CHUNKS, _CRC * (len(crcs) // len(_CRC)), crcs)
        footer = _filled(footer, SEAL, seal.text(), filled.text())
        footer = _filled(footer, SEAL, filled.text(), filled.text(f"{crc32(footer):08x}"))
        file.seek(size)
        file.write(footer)
    return filled


def _filled(footer: bytes, key: str, before: str, after: str) -> bytes:
    """Return a footer with another text, of the same length, in the place of one that follows its key."""
    at = footer.index(key.encode()) + len(key)
    # the last place: the length, which is before the text, may look like a zero
    begin = footer.rindex(before.encode(), at, at + _HEADER + len(before))
    return footer[:begin] + after.encode() + footer[begin + len(before) :]


def read_seal(path: PathLike) -> Seal | None:
    """Return the seal of a file, None where it has none.

    Raises
    ------
    DamagedTable
        When the file is no Parquet file, or is cut, or its footer was altered.
    OSError
        When it cannot be read.
    """
    return _sealed(path)[0]


class Checksums:
    """The checksums of the column chunks of a file, if it has some.

    Parameters
    ----------
    path : path-like
        File.
    metadata : pyarrow.parquet.FileMetaData
        Its footer.
    """

    def __init__(self, path: PathLike, metadata: Any) -> None:
        self._path, self._metadata = path, metadata
        self._crcs = (metadata.metadata or {}).get(CHUNKS.encode())
        self._groups, self._width = metadata.num_row_groups, metadata.num_columns
        paths = (metadata.schema.column(k).path for k in range(self._width))
        self._names = [path.partition(".")[0] for path in paths]

    def check(self, columns: Iterable[str] | None = None, group: int = -1) -> None:
        """Compare the bytes of columns (None: all) of a row group (-1: all) with their checksums.

        Raises
        ------
        DamagedTable
            When they differ.
        """
        if self._crcs is None:
            return
        wanted = set(self._names if columns is None else columns)
        chosen = [k for k, name in enumerate(self._names) if name in wanted]
        with open(self._path, "rb", buffering=0) as file:
            for one in range(self._groups) if group < 0 else [group]:
                about = self._metadata.row_group(one)
                for k in chosen:
                    at = (one * self._width + k) * len(_CRC)
                    found = _crc(file.fileno(), *_place(about.column(k)))
                    if self._crcs[at : at + len(_CRC)] != b"%08x" % found:
                        what = f"was altered after it was written, in {self._names[k]}"
                        raise DamagedTable(self._path, what)


def identifier(path: PathLike) -> str:
    """Return what identifies the content of a file: that of its seal, or a hash of a file without one.

    Raises
    ------
    DamagedTable
        See `read_seal`; also when it is not there.
    """
    if not os.path.exists(path):
        raise DamagedTable(path, "is not there")
    if os.fspath(path).endswith(".parquet") and (seal := read_seal(path)) is not None:
        return seal.id
    digest = blake2b(digest_size=16)
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def together(identifiers: Sequence[str]) -> str:
    """Return one identifier of several files in an order."""
    return blake2b(" ".join(identifiers).encode(), digest_size=16).hexdigest()


def _sealed(path: PathLike) -> tuple[Seal | None, bytes]:
    """Return the seal of a file and its footer, whose checksum is right."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size, footer = _footer(descriptor, path)
    finally:
        os.close(descriptor)
    at = footer.find(SEAL.encode())
    begin = footer.find(_BEGIN, at)
    if at < 0 and CHUNKS.encode() not in footer:
        return None, footer
    if at < 0 or begin < 0:
        raise DamagedTable(path, "has a damaged footer")
    begin += len(_BEGIN)
    crc = crc32(_CRC.encode(), crc32(memoryview(footer)[:begin]))
    crc = crc32(memoryview(footer)[begin + len(_CRC) :], crc)
    if footer[begin : begin + len(_CRC)] != b"%08x" % crc:
        raise DamagedTable(path, "has a damaged footer")
    text = footer[begin - len(_BEGIN) : footer.index(b"\0", begin)]
    about = json.loads(text)
    origin, whole = Origin(**about["origin"]), int(about["size"], 16)
    if whole != size:
        raise DamagedTable(path, "is not as long as it was written")
    return Seal(about["table"], origin, about["counts"], about["id"], whole), footer


def _footer(descriptor: int, path: PathLike) -> tuple[int, bytes]:
    """Return where the footer of a Parquet file begins, and its bytes."""
    length = os.fstat(descriptor).st_size
    start = max(0, length - _TAIL)
    tail = _read(descriptor, start, length - start)
    if len(tail) < _END or tail[-4:] != b"PAR1":
        raise DamagedTable(path, "is empty" if not tail else "is cut, or no Parquet file")
    begin = length - _END - int.from_bytes(tail[-_END:-4], "little")
    if begin < 4:
        raise DamagedTable(path, "has a damaged footer")
    if begin < start:
        tail, start = _read(descriptor, begin, length - begin), begin
    return begin, tail[begin - start : -_END]


def _places(metadata: Any) -> Iterator[tuple[int, int]]:
    """Yield where each column chunk begins, and its length."""
    for group in range(metadata.num_row_groups):
        about = metadata.row_group(group)
        for k in range(metadata.num_columns):
            yield _place(about.column(k))


def _place(chunk: Any) -> tuple[int, int]:
    """Return where a column chunk begins, and its length."""
    begin, first = chunk.data_page_offset, chunk.dictionary_page_offset
    return begin if first is None else min(begin, first), chunk.total_compressed_size


def _crc(descriptor: int, begin: int, length: int) -> int:
    """Return the CRC-32 of a part of a file; it is read into little memory, which stays in the processor's cache."""
    crc, memory = 0, memoryview(bytearray(min(length, _PIECE)))
    while length:
        count = os.preadv(descriptor, [memory[: min(length, _PIECE)]], begin)
        if not count:
            break
        crc = crc32(memory[:count], crc)
        begin, length = begin + count, length - count
    return crc


def _read(descriptor: int, begin: int, length: int) -> bytes:
    """Read a part of a file, as far as there is any."""
    pieces = []
    while length and (piece := os.pread(descriptor, length, begin)):
        pieces.append(piece)
        begin, length = begin + len(piece), length - len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
