"""A file that was found in the archive, or one of the objects in it: a row of OBSERVATIONS."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import pyarrow as pa

from pipeline.ingest.archive.file import ArchiveFile
from pipeline.status import Status


@dataclass(slots=True)
class FoundFile:
    """A file of the archive, or one object in a file of several; a row of the table OBSERVATIONS.

    `scan` fills in the contents of the file, `complete` the relations to other files of the archive.

    Attributes
    ----------
    file : str
        Path inside the archive; for one object of several, with the object behind a ``#``.
    part : str
        The object in a file of several; else empty.
    size, mtime_ns, version
        See `ArchiveFile`. The version is empty where the file could not be read, and looking again
        may help.
    sha256 : str
        Empty where it was not needed.
    kind : str
        See `recognise.Recognised`.
    hdu : str
        HDU of the data, by name or number.
    mission, instrument, observation_id, object, ra, dec
        See `identity.Identity`.
    mjd_start, mjd_stop, exposure : float
        MJD, and s; NaN if unknown.
    response, response_version : str
        Response file in the archive that the file needs, and its version. `scan` fills in the name in
        keyword RESPFILE.
    source_id : str
        Empty for a file that has no source.
    status : str
        Whether it can be read.
    flags : int
        Bits of `Flag`.
    reason : str
        Why it cannot be read, and the remedy.
    """

    file: str
    part: str = ""
    size: int = -1
    mtime_ns: int = 0
    version: str = ""
    sha256: str = ""
    kind: str = "other"
    hdu: str = ""
    mission: str = ""
    instrument: str = ""
    observation_id: str = ""
    object: str = ""
    ra: float = math.nan
    dec: float = math.nan
    mjd_start: float = math.nan
    mjd_stop: float = math.nan
    exposure: float = math.nan
    response: str = ""
    response_version: str = ""
    source_id: str = ""
    status: str = Status.OK
    flags: int = 0
    reason: str = ""

    @classmethod
    def of_listed(cls, listed: ArchiveFile) -> "FoundFile":
        """Describe a file that was listed and not looked at yet."""
        return cls(listed.file, size=listed.size, mtime_ns=listed.mtime_ns, version=listed.version)

    @classmethod
    def failed(cls, listed: ArchiveFile, status: Status, reason: str) -> "FoundFile":
        """Describe a file that could not be looked at. It has no version, so that the next run looks again."""
        found = cls.of_listed(listed)
        found.version, found.status, found.reason = "", status, reason
        return found

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "FoundFile":
        """Read a row of OBSERVATIONS."""
        return cls(**row)

    def row(self) -> dict[str, Any]:
        """Return the row of OBSERVATIONS."""
        return {name: getattr(self, name) for name in _NAMES}

    def copy(self) -> "FoundFile":
        """Return a copy."""
        return FoundFile(*_values(self))

    @property
    def path(self) -> str:
        """Path of the file inside the archive, without an object."""
        return path_of(self.file, self.part)


def path_of(file: str, part: str) -> str:
    """Return the path of a file inside the archive, without the object in it that a row is of."""
    return file.removesuffix(f"#{part}") if part else file


_NAMES = tuple(field.name for field in fields(FoundFile))
_values = attrgetter(*_NAMES)
_DISTINCT = frozenset({"file", "version"})


def columns(found: Sequence[FoundFile]) -> dict[str, list]:
    """Return the columns of OBSERVATIONS of some files, by name."""
    return {name: list(map(attrgetter(name), found)) for name in _NAMES}


def of_columns(table: pa.Table) -> list[FoundFile]:
    """Return the files that are the rows of a table OBSERVATIONS. Files share the texts that they have in common."""
    return [FoundFile(*cells) for cells in zip(*map(_cells, _NAMES, table.columns), strict=True)]


def _cells(name: str, column: pa.ChunkedArray) -> list:
    """Return the cells of a column; a text that is there more than once is one object."""
    if not pa.types.is_string(column.type) or name in _DISTINCT:
        return column.to_pylist()
    encoded = column.combine_chunks().dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    return [texts[place] for place in encoded.indices.to_pylist()]
