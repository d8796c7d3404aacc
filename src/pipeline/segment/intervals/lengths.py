"""The length of segments: a product of 2, 3, 5 and 7 bins, so that enough segments fit into good time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.config.segment import SegmentOptions
from pipeline.refusal import Refusal
from pipeline.segment.intervals import gti
from pipeline.status import Status

PRIMES = (2, 3, 5, 7)
"""Lengths whose prime factors are these are transformed fast."""

NEARLY_ALL = 0.97
"""The length that is chosen uses at least this part of the good time that the best allowed length uses."""

SHORTER = 0.75
"""Least length of a segment, relative to the longest possible one, that is chosen to use more of the good time."""

SEVERAL = 8
"""Ratio of the numbers of segments that two successive lengths under `several` aim at."""

MOST_SEGMENT_BINS = 1 << 25
"""Most bins of a segment that can be transformed in the memory of a worker: 256 MiB of rates."""


@dataclass(frozen=True)
class Length:
    """A length of a segment that is asked for.

    Attributes
    ----------
    size : float or str
        s, or ``auto`` or ``whole``.
    aim : int
        Segments to aim at under ``auto``.
    """

    size: float | str
    aim: int


def smooth_numbers(lo: int, hi: int) -> np.ndarray:
    """Return the products of 2, 3, 5 and 7 from `lo` to `hi`, increasing, as int64."""
    numbers = np.ones(1, np.int64)
    for prime in PRIMES:
        powers = prime ** np.arange(int(np.log(max(hi, 1)) / np.log(prime)) + 2, dtype=np.int64)
        numbers = np.multiply.outer(numbers, powers).ravel()
        numbers = numbers[(numbers > 0) & (numbers <= hi)]
    return np.sort(numbers[numbers >= lo])


def segments_of(bins: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return how many segments of each size fit into intervals.

    Parameters
    ----------
    bins : ndarray of int, shape (n_interval,)
        Whole bins in each interval.
    sizes : ndarray of int, shape (n_size,)
        Bins in a segment.

    Returns
    -------
    ndarray of int, shape (n_size,)
    """
    bins = np.asarray(bins, np.int64)
    return np.array([int(np.sum(bins // size)) for size in np.atleast_1d(sizes)], np.int64)


def auto_bins(bins: np.ndarray, min_bins: int, max_bins: int, min_segments: int) -> int:
    """Return the number of bins in a segment: the largest with enough segments that wastes little.

    Parameters
    ----------
    bins : ndarray of int, shape (n_interval,)
        Whole bins in each interval, over all observations that are averaged.
    min_bins, max_bins : int
        Range of the result.
    min_segments : int
        Segments to aim at.

    Returns
    -------
    int
        A product of 2, 3, 5 and 7 in the range: the largest that `min_segments` segments of fit, or one
        up to a quarter shorter where that uses more of the good time. Where so many segments do not fit, the
        shortest of the sizes up to twice the smallest one that uses most good time. `min_bins` where none
        fits, or where there is no such number in the range.
    """
    sizes = smooth_numbers(min_bins, max_bins)
    if not len(sizes):
        return min_bins
    used = segments_of(bins, sizes)
    enough = np.flatnonzero(used >= min_segments)
    if len(enough):
        largest = sizes[enough[-1]]
        good = (sizes <= largest) & (sizes >= SHORTER * largest) & (used >= min_segments)
    else:
        good = (sizes < 2 * sizes[0]) & (used > 0)
    if not good.any():
        return int(sizes[0])
    sizes, used = sizes[good], (used * sizes)[good]
    if not len(enough):
        return int(sizes[np.argmax(used)])
    return int(sizes[used >= NEARLY_ALL * used.max()][-1])


def whole_bins(bins: Sequence[np.ndarray]) -> int:
    """Return the length at which most good time is used by one interval of each observation.

    Parameters
    ----------
    bins : sequence of ndarray of int
        Whole bins in each interval, an array an observation.

    Returns
    -------
    int
        Of one observation, its longest interval; 0 where there is none.
    """
    longest = np.sort([int(np.max(b, initial=0)) for b in bins])[::-1]
    return int(longest[np.argmax(longest * np.arange(1, len(longest) + 1))])


def wanted(segment_size: float | str | Sequence[float], min_segments: int) -> list[Length]:
    """Return the lengths that `segment.segment_size` asks for.

    Parameters
    ----------
    segment_size : float, str, or list of float
        As configured.
    min_segments : int
        As configured.

    Returns
    -------
    list of Length
        ``several`` is ``auto`` with one segment, with `min_segments`, and with eight times as many.
    """
    if segment_size == "several":
        aims = sorted({1, min_segments, SEVERAL * min_segments})
        return [Length("auto", aim) for aim in aims]
    sizes = [segment_size] if isinstance(segment_size, str | float | int) else segment_size
    return [Length(size, min_segments) for size in sizes]


def segment_bins(
    bins: Sequence[np.ndarray],
    steps: Sequence[float],
    options: SegmentOptions,
    length: Length,
    file: str,
) -> int:
    """Return the number of bins in a segment, common to all observations.

    Parameters
    ----------
    bins : sequence of ndarray of int
        Whole bins in each uninterrupted interval, an array an observation.
    steps : sequence of float
        Width of a bin of each observation, s.
    options : SegmentOptions
        Range of lengths.
    length : Length
        One of `wanted`.
    file : str
        That with the longest interval, for the reason.

    Raises
    ------
    Refusal
        Where no interval holds such a segment, or it or their number is too large.
    """
    longest = [int(np.max(b, initial=0)) for b in bins]
    i = int(np.argmax(longest))
    step = steps[i]
    remedy = "lower segment.min_bins"
    size = length.size
    if size == "auto":
        n_bin = auto_bins(np.concatenate(bins), options.min_bins, options.max_bins, length.aim)
    elif isinstance(size, str):
        n_bin = max(options.min_bins, whole_bins(bins))
    else:
        n_bin, remedy = round(size / steps[0]), "change segment.segment_size"
        if n_bin < 2:
            raise Refusal(
                Status.TOO_SHORT,
                f"{file}: a segment of {size:g} s is shorter than two bins of {step:g} s: {remedy}",
            )
    if longest[i] < n_bin:
        raise Refusal(
            Status.TOO_SHORT,
            f"{file}: the longest good time interval holds {longest[i] * step:g} s, "
            f"a segment needs {n_bin * step:g} s ({n_bin} bins of {step:g} s): {remedy}",
        )
    refuse_too_many(bins, n_bin, step, file)
    return n_bin


def refuse_too_many(bins: Sequence[np.ndarray], n_bin: int, step: float, file: str) -> None:
    """Raise `Refusal` where segments, or their bins, are more than can be transformed."""
    segments = sum(float(np.sum(b // n_bin)) for b in bins)
    if segments > gti.MOST_SEGMENTS or segments * n_bin > gti.MOST_BINS:
        raise Refusal(
            Status.BAD_TIME,
            f"{file}: its good time intervals hold {segments:.3g} segments of {n_bin} bins of "
            f"{step:g} s: mend the intervals, or raise segment.dt or segment.segment_size",
        )
    if n_bin > MOST_SEGMENT_BINS:
        raise Refusal(
            Status.BAD_TIME,
            f"{file}: a segment of {n_bin:.3g} bins of {step:g} s is too long to be transformed: raise "
            "segment.dt, or set segment.segment_size to a shorter one",
        )
