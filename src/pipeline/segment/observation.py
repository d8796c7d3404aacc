"""Observations as the stage sees them: named fields instead of rows of the table INGEST."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.columns.ingest import INGEST
from pipeline.sealed import native, told_apart
from pipeline.seals import Checksums, read_seal
from pipeline.segment.kept import SMALL, Kept
from pipeline.status import Flag, Status
from pipeline.tables import read_parquet, rows_of, unpacked
from pipeline.times import DAY, mjd


@dataclass(frozen=True, kw_only=True)
class Header:
    """An observation without its arrays: what the index of a shard says of it.

    The fields are the columns of INGEST that have the same names.

    Attributes
    ----------
    number : int
        Its row in the table.
    size : int
        Bytes of its arrays, about; 0 if unknown.
    """

    number: int
    source_id: str
    product: str
    kind: str
    mission: str
    instrument: str
    object: str
    ra: float
    dec: float
    band_lo: float
    band_hi: float
    observation_id: str
    file: str
    status: str
    flags: int
    reason: str
    mjd_ref: int
    mjd_ref_frac: float
    t_start: float
    exposure: float
    n_dropped: int
    dt: float
    tick: float
    counting: bool
    background_rate: float
    noise: float
    norm: str
    size: int = 0

    @property
    def usable(self) -> bool:
        """Whether there are data."""
        return self.status == Status.OK

    @property
    def mjd_start(self) -> float:
        """Start (MJD); NaN if unknown."""
        return mjd(self.mjd_ref, self.mjd_ref_frac, self.t_start)


@dataclass(frozen=True, kw_only=True)
class Observation:
    """An observation with its arrays. Arrays that its kind does not have are empty.

    Attributes
    ----------
    header : Header
        Its scalars.
    gti_start, gti_stop : ndarray, shape (n_gti,)
        Good time intervals, s from the start of the observation, as all times.
    time : ndarray, shape (n,)
        Arrival times of events, or centres of the bins of a light curve, s, increasing.
    rate, rate_err, fracexp : ndarray, shape (n,) or (0,)
        Rate in each bin, its error, and the fraction of the bin that was exposed.
    frequency_lo, frequency_hi, power, power_err, n : ndarray, shape (n_bins,) or (0,)
        Of a power spectrum: edges of the bins, Hz; power, its error, ordinates averaged.
    """

    header: Header
    gti_start: np.ndarray
    gti_stop: np.ndarray
    time: np.ndarray
    rate: np.ndarray
    rate_err: np.ndarray
    fracexp: np.ndarray
    frequency_lo: np.ndarray
    frequency_hi: np.ndarray
    power: np.ndarray
    power_err: np.ndarray
    n: np.ndarray

    @property
    def mjd_stop(self) -> float:
        """End of the last good time interval (MJD); NaN if unknown."""
        if not len(self.gti_stop):
            return np.nan
        return self.header.mjd_start + float(self.gti_stop.max()) / DAY

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take, bytes."""
        return sum(getattr(self, name).nbytes for name in ARRAYS)


SCALARS = tuple(field.name for field in fields(Header) if field.name not in ("number", "size"))
"""Columns of the index."""

ARRAYS = tuple(field.name for field in fields(Observation) if field.name != "header")
"""Columns that are read for one observation at a time."""

_INTERVALS = ("gti_start", "gti_stop")
_OF_KIND = {
    "events": (*_INTERVALS, "time"),
    "lightcurve": (*_INTERVALS, "time", "rate", "rate_err", "fracexp"),
    "spectrum": (*_INTERVALS, "frequency_lo", "frequency_hi", "power", "power_err", "n"),
}
"""The arrays that observations of a kind have; the others are empty."""

Read = Callable[[Header], Observation]


@dataclass(frozen=True)
class Observations:
    """The observations of a series, which are read when they are asked for.

    Attributes
    ----------
    headers : sequence of Header
        At least one.
    read : callable
        Returns the observation of a header.
    """

    headers: Sequence[Header]
    read: Read

    @classmethod
    def held(cls, observations: Sequence[Observation]) -> "Observations":
        """Return observations that are in memory."""
        by_number = {one.header.number: one for one in observations}
        if len(by_number) < len(observations):
            raise ValueError("two observations have the same number")
        return cls([one.header for one in observations], lambda header: by_number[header.number])

    def __len__(self) -> int:
        return len(self.headers)

    def __getitem__(self, position: int) -> Observation:
        return self.read(self.headers[position])

    def remembered(self) -> "Observations":
        """Return the same observations; those that are small are read once, see `pipeline.segment.kept`."""
        kept = Kept(self.__getitem__, lambda one: one.nbytes)
        positions = {header.number: i for i, header in enumerate(self.headers)}
        return Observations(self.headers, lambda header: kept(positions[header.number]))

    def some(self, positions: Iterable[int]) -> "Observations":
        """Return the observations at some positions."""
        return Observations([self.headers[i] for i in positions], self.read)


def observation(row: Mapping, number: int = 0) -> Observation:
    """Return the observation that a row of INGEST describes."""
    header = Header(number=number, **{name: row[name] for name in SCALARS})
    return Observation(header=header, **{name: np.asarray(row[name]) for name in ARRAYS})


def read_index(path: Path) -> list[Header]:
    """Read the headers of a shard's observations, in order.

    Raises
    ------
    TableError
        When the file is not a table INGEST.
    """
    rows = rows_of(read_parquet(path, INGEST, SCALARS))
    sizes = _shard(path, path.stat().st_mtime_ns).sizes
    return [
        Header(number=number, size=int(size), **row)
        for number, (size, row) in enumerate(zip(sizes, rows, strict=True))
    ]


def reader(path: Path) -> Read:
    """Return a function that reads the observation of a header from a table INGEST."""
    stamp = path.stat().st_mtime_ns

    def read(header: Header) -> Observation:
        names = _OF_KIND.get(header.kind, ARRAYS)
        cells = _shard(path, stamp).arrays(header.number, names)
        return Observation(header=header, **(_NO_ARRAYS | cells))

    return read


def read_arrays(path: Path, number: int, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return some arrays of one observation, by name."""
    return _shard(path, path.stat().st_mtime_ns).arrays(number, names)


@dataclass(frozen=True)
class _Lists:
    """A column of lists: the elements of all rows, and where those of each row begin, and the last ones end."""

    values: np.ndarray
    offsets: np.ndarray

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]


_NO_ARRAYS = {name: np.zeros(0) for name in ARRAYS}


class _Shard:
    """An open table of observations. The row group that was read last is kept, if it is small.

    Attributes
    ----------
    sizes : ndarray of int, shape (rows,)
        Bytes of each row: the mean in its row group.
    """

    def __init__(self, path: Path) -> None:
        with told_apart(path, INGEST.name):
            is_sealed = read_seal(path) is not None
            self._file = pq.ParquetFile(native(path), page_checksum_verification=not is_sealed)
        self._path, about = path, self._file.metadata
        self._checksums = Checksums(path, about)
        groups = [about.row_group(group) for group in range(about.num_row_groups)]
        rows = np.array([group.num_rows for group in groups], int)
        size = np.array([group.total_byte_size for group in groups], int)
        self.sizes = np.repeat(size // np.maximum(rows, 1), rows)
        self._starts = np.concatenate([[0], np.cumsum(rows)])
        self._group = -1
        self._columns: dict[str, _Lists] = {}

    def arrays(self, number: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the arrays in a row, by name."""
        group = int(np.searchsorted(self._starts, number, "right")) - 1
        if group != self._group:
            self._columns = {}  # their memory is free before the next ones are read
        columns = self._columns | self._read(group, [n for n in names if n not in self._columns])
        small = sum(lists.values.nbytes for lists in columns.values()) <= SMALL
        self._group, self._columns = (group, columns) if small else (-1, {})
        row = number - self._starts[group]
        return {name: columns[name][row] for name in names}

    def _read(self, group: int, names: list[str]) -> dict[str, _Lists]:
        """Read columns of a row group."""
        if not names:
            return {}
        with told_apart(self._path, INGEST.name):
            self._checksums.check(names, group)
            data: pa.Table = self._file.read_row_group(group, columns=names, use_threads=False)
        columns = {}
        for name, column in zip(names, unpacked(INGEST, data.select(names)).columns, strict=True):
            cells = column.combine_chunks()
            values = cells.values.to_numpy(zero_copy_only=False)
            columns[name] = _Lists(values, cells.offsets.to_numpy())
        return columns


@lru_cache(maxsize=1)
def _shard(path: Path, stamp: int) -> _Shard:
    """Open a table of observations; it stays open, because its footer lists every row group."""
    return _Shard(path)


def all_flags(flags: Iterable[int]) -> Flag:
    """Return the flags that any of some has."""
    together = Flag(0)
    for one in flags:
        together |= Flag(one)
    return together
