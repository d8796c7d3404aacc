"""RXTE/PCA: channels of science events, and science arrays (Standard 1 and 2, binned modes).

The ABC of XTE, "Data Files" and "EDS Configurations". RXTE's data description language, DDL, describes each
column: ``C[0~4,5,6~7]`` are the channels that were added into each value.
"""

import functools
import itertools
import math
import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.ingest.keyword import number as keyword

EVENTS, ARRAY = "XTE_SE", "XTE_SA"
_COUNTS = re.compile(r"XECNT(PCU\d)?|X[123][LR]SPECPCU\d")
_CHANNELS = re.compile(r"C\[([^\]]*)\]")
_TOKEN = re.compile(r"([A-Z])\[([^\]]*)\]\{([0-9]{1,4})\}")
_FLOWN = 50081.0, 55931.0
_ALL = 256


def count_columns(columns: Collection[str]) -> list[str]:
    """Return the columns of a science array with counts of good xenon events, by detector."""
    return [name for name in columns if _COUNTS.fullmatch(name)]


def channel_groups(ddl: str) -> list[tuple[int, int]]:
    """Return the first and last absolute channel of each group in a DDL; none if it names no channels.

    Parameters
    ----------
    ddl : str
        TEVTB2 of events, TDDESn of arrays.
    """
    found = _CHANNELS.search(ddl)
    if not found:
        return []
    text = found[1].replace("(", "").replace(")", "")
    try:
        if ":" in text:
            first, last = (int(part) for part in text.split(":"))
            return [(channel, channel) for channel in range(first, min(last + 1, _ALL))]
        return [_span(part) for part in text.split(",")]
    except ValueError:
        return []


def _span(part: str) -> tuple[int, int]:
    first, _, last = part.partition("~")
    return int(first), int(last or first)


def standard_2_groups() -> list[tuple[int, int]]:
    """Return the channels in each of the 129 values of Standard 2."""
    edges = [0, *range(5, 54), *range(54, 136, 2), *range(136, 238, 3), 238, 242, 246, 250, _ALL]
    return [(a, b - 1) for a, b in itertools.pairwise(edges)]


@dataclass(frozen=True)
class EventFields:
    """Science events, decoded.

    Attributes
    ----------
    photon : ndarray of bool, shape (n,)
        Whether each row is a photon; others mark times, losses and gaps.
    group, detector : ndarray of int, shape (n,)
        Index of each in `channel_groups`, and number of its PCU; 0 where they are not coded.
    """

    photon: np.ndarray
    group: np.ndarray
    detector: np.ndarray


def event_fields(bits: np.ndarray, ddl: str) -> EventFields:
    """Decode the bits of science events.

    Parameters
    ----------
    bits : ndarray of bool, shape (n, m)
        Column Event.
    ddl : str
        TEVTB2; its first alternative describes photons.
    """
    fields: dict[str, slice] = {}
    start = 0
    for letter, _, width in _TOKEN.findall(ddl.partition("^")[0]):
        fields.setdefault(letter, slice(start, start + int(width)))
        start += int(width)
    nothing = np.zeros(len(bits), dtype=int)

    def number(letter: str) -> np.ndarray:
        return _number(bits[:, fields[letter]]) if letter in fields else nothing

    photon = number("M") == 1 if "M" in fields else nothing == 0
    return EventFields(photon, number("C"), number("D"))


def _number(bits: np.ndarray) -> np.ndarray:
    """Return the unsigned numbers of rows of bits, the most significant first."""
    return bits.astype(int) @ (1 << np.flip(np.arange(bits.shape[1])))


def group_channels(groups: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return the absolute channel in the middle of each group."""
    return np.array([(first + last) // 2 for first, last in groups], dtype=int)


def is_flown(mjd: float) -> bool:
    """Return whether RXTE was in orbit on a date, so that its gain is known; False for NaN."""
    return _FLOWN[0] < mjd < _FLOWN[1]


def energies(channel: np.ndarray, detector: np.ndarray | int, mjd: float) -> np.ndarray:
    """Return the energies of absolute channels at an epoch, keV, as `stingray.mission_support` has them.

    Parameters
    ----------
    channel : ndarray of int, shape (n,)
        Absolute channels, 0 to 255.
    detector : ndarray of int, shape (n,), or int
        PCU. The gain of PCU 0 differs since it lost its propane layer in May 2000.
    mjd : float
        When: a day on which `is_flown`.
    """
    zero, others = _scale(math.ceil(mjd))
    channel = np.clip(channel, 0, _ALL - 1)
    return np.where(np.asarray(detector) == 0, zero[channel], others[channel])


@functools.lru_cache(maxsize=16)
def _scale(mjd: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the energies of all channels for PCU 0 and for the other PCUs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Stingray recommends numba
        from stingray.mission_support.rxte import pca_calibration_func
    convert, channel = pca_calibration_func(mjd), np.arange(_ALL)
    return convert(channel, 0), convert(channel, 1)


@dataclass(frozen=True)
class TimeStep:
    """Time resolution of a column of a science array.

    Attributes
    ----------
    dt : float
        Width of a bin, s.
    bins : int
        Number of bins in a row: the length of the axis of a cell that is time; 1 if no axis is.
    """

    dt: float
    bins: int


def time_step(header: Mapping[str, Any], timedel: float | None, number: int, size: int) -> TimeStep:
    """Return the time resolution of a column of a science array.

    Parameters
    ----------
    header : mapping
        Keywords of the table.
    timedel : float or None
        TIMEDEL that holds for the table: the length of a row, s; None: DELTAT.
    number : int
        Number of the column, from 1.
    size : int
        Number of values in a cell.
    """
    row = timedel or keyword(header, "DELTAT") or 0.0
    step = keyword(header, f"1CDLT{number}")
    timed = str(header.get(f"1CTYP{number}", "TIME")).strip().upper().startswith("TIME")
    if timed and step and 0 < step <= row:
        bins = round(row / step)
        if bins >= 1 and size % bins == 0:
            return TimeStep(step, bins)
    return TimeStep(row, 1)


def sum_channels(cells: np.ndarray, bins: int, wanted: np.ndarray | None) -> np.ndarray:
    """Add the wanted channels of a column, and put its time bins one after another.

    Parameters
    ----------
    cells : ndarray, shape (rows, …)
        The last axis is time if there are several time bins.
    bins : int
        Number of time bins in a row.
    wanted : ndarray of bool, shape (channels,), or None
        Channels to add; None: all.
    """
    by_channel = cells.reshape(len(cells), -1, bins).astype(float)
    if wanted is not None:
        by_channel = by_channel[:, wanted]
    return by_channel.sum(axis=1).ravel()
