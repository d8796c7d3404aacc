"""Observations as the stage sees them: named fields instead of rows of the table INGEST."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.columns.ingest import INGEST
from pipeline.segment.kept import Kept
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


SCALARS = tuple(field.name for field in fields(Header) if field.name != "number")
"""Columns of the index."""

ARRAYS = tuple(field.name for field in fields(Observation) if field.name != "header")
"""Columns that are read for one observation at a time."""

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
    data = read_parquet(path, INGEST, SCALARS)
    return [Header(number=number, **row) for number, row in enumerate(rows_of(data))]


def reader(path: Path) -> Read:
    """Return a function that reads the observation of a header from a table INGEST."""
    stamp = path.stat().st_mtime_ns

    def read(header: Header) -> Observation:
        return Observation(header=header, **_shard(path, stamp).arrays(header.number, ARRAYS))

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


class _Shard:
    """An open table of observations. A row group of several small observations is kept until the next is read."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path)
        about = self._file.metadata
        rows = [about.row_group(group).num_rows for group in range(about.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(rows, dtype=int)])
        self._kept: tuple[int, tuple[str, ...], dict[str, _Lists]] | None = None

    def arrays(self, number: int, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the arrays in a row, by name."""
        group = int(np.searchsorted(self._starts, number, "right")) - 1
        row = number - self._starts[group]
        return {name: lists[row] for name, lists in self._group(group, tuple(names)).items()}

    def _group(self, group: int, names: tuple[str, ...]) -> dict[str, _Lists]:
        """Return the columns of a row group."""
        if self._kept is not None and self._kept[:2] == (group, names):
            return self._kept[2]
        self._kept = None  # its memory is free before the next one is read
        data: pa.Table = self._file.read_row_group(group, columns=list(names), use_threads=False)
        columns = {}
        for name, column in zip(names, unpacked(INGEST, data.select(names)).columns, strict=True):
            cells = column.combine_chunks()
            values = cells.values.to_numpy(zero_copy_only=False)
            columns[name] = _Lists(values, cells.offsets.to_numpy())
        if data.num_rows > 1:
            self._kept = group, names, columns
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
