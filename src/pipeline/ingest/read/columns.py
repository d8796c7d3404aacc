"""The columns of a table of measurements: numbers, or NaN, by band and time."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.ingest.files import undefined
from pipeline.ingest.hdu import Hdu
from pipeline.ingest.read import lightcurve
from pipeline.status import Flag

_EMPTY = np.empty(0)
_NO_FLAG = Flag(0)


@dataclass(frozen=True)
class StandIns:
    """Numbers and words that stood for no value.

    Attributes
    ----------
    reasons : list of str
        For each number or word that stood for no value: the number of cells, the word, and the column.
    flags : Flag
        STAND_INS if some are numbers or words that stand for no value.
    """

    reasons: list[str]
    flags: Flag


class MeasuredColumns:
    """The columns of a table of measurements. A cell may hold several bands; each column is read once.

    Parameters
    ----------
    hdu : Hdu
        The table.
    n : int
        Number of times.

    Attributes
    ----------
    names : set of str
        Names of the columns.
    found : mapping of str to mapping of str to int
        By column that was read: numbers and words that stood for no value, and their counts.
    """

    def __init__(self, hdu: Hdu, n: int):
        self.hdu, self.n, self.names = hdu, n, set(hdu.columns)
        self.known: dict[str, np.ndarray] = {}
        self.found: dict[str, dict[str, int]] = {}

    def bands(self, name: str) -> np.ndarray:
        """Return a column of measurements, shape (bands, n), NaN where there is no value."""
        if name not in self.known:
            values = self.hdu.read_any(name)
            if values.dtype.kind in "biuf":
                read = undefined.clean(np.asarray(values, values.dtype.newbyteorder("=")))
            elif values.dtype.kind in "SU":
                words = undefined.of_words(values)
                read = undefined.clean(words.values)
                read = undefined.Cleaned(read.values, words.found | read.found)
            else:
                read = undefined.Cleaned(self.hdu.read(name))  # this says what is wrong with it
            self.found[name] = {**self.hdu.stand_ins(name), **read.found}
            bands = lightcurve.as_bands(read.values, self.n)
            self.known[name] = bands.astype(float, copy=False)
        return self.known[name]

    def each(self, name: str) -> range:
        """Return the numbers of the bands of a column."""
        return range(len(self.bands(name)))

    def first_of(self, candidates: Iterable[str], number: int = 0) -> np.ndarray:
        """Return a band of the first column that the table has, or its only band; empty if it has none."""
        for name in candidates:
            if name in self.names:
                bands = self.bands(name)
                return bands[number] if number < len(bands) else bands[0]
        return _EMPTY

    def stand_ins(self) -> StandIns:
        """Return the numbers and words that stood for no value in the columns that were read."""
        reasons, flag = [], _NO_FLAG
        for name, counts_of in self.found.items():
            for text, count in counts_of.items():
                reasons.append(f"{count} with {text} in {name}")
                flag |= Flag.STAND_INS if text != undefined.NOTHING else _NO_FLAG
        return StandIns(reasons, flag)
