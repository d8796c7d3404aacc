"""Light curves on a regular grid: short gaps filled, long ones cut out."""

from dataclasses import dataclass

import numpy as np

MAX_FILLED = 0.1
"""Largest fraction of a run that is filled; a run with more gaps is cut at every gap."""


@dataclass(frozen=True)
class Curve:
    """Runs of consecutive bins, laid end to end.

    Attributes
    ----------
    rate : ndarray, shape (n,)
        Rate in each bin, interpolated where it was missing.
    rate_err : ndarray, shape (n,) or (0,)
        Its error; empty if unknown.
    filled : ndarray of bool, shape (n,)
        Whether the bin was missing.
    first : ndarray of int, shape (n_run,)
        Index of the first bin of each run.
    bins : ndarray of int, shape (n_run,)
        Bins in each run.
    """

    rate: np.ndarray
    rate_err: np.ndarray
    filled: np.ndarray
    first: np.ndarray
    bins: np.ndarray


def regularise(
    time: np.ndarray, rate: np.ndarray, rate_err: np.ndarray, dt: float, max_gap: int
) -> Curve:
    """Place bins on a regular grid, filling gaps of at most `max_gap` bins by interpolation.

    The grid is followed from one bin to the next, not from the first one: the barycentric
    correction makes the cadence of Kepler and TESS drift by more than a bin in the long run, but
    by far less than half a bin between neighbours.

    Parameters
    ----------
    time : ndarray, shape (n,)
        Centres of the bins that are there, s, increasing.
    rate, rate_err : ndarray, shape (n,)
        Rate and error in them; `rate_err` may be empty.
    dt : float
        Spacing of the grid, s.
    max_gap : int
        Longest gap to fill, in bins.

    Returns
    -------
    Curve
        Without runs when `time` is empty.
    """
    if not len(time):
        nothing = np.zeros(0, np.int64)
        return Curve(np.zeros(0), np.zeros(0), np.zeros(0, bool), nothing, nothing)
    step = np.rint(np.minimum(np.diff(time) / dt, max_gap + 2)).astype(
        np.int64
    )  # a break is a break
    kept = np.concatenate([[0], 1 + np.flatnonzero(step > 0)])  # a bin given twice counts once
    step = np.diff(np.concatenate([[0], np.cumsum(step)])[kept])
    breaks = _breaks(step, max_gap)
    position = np.concatenate([[0], np.cumsum(np.where(breaks, 1, step))])
    size = position[-1] + 1
    filled = np.ones(size, bool)
    filled[position] = False
    grid = np.arange(size)
    first = position[np.concatenate([[True], breaks])]
    return Curve(
        rate=np.interp(grid, position, rate[kept]),
        rate_err=np.interp(grid, position, rate_err[kept]) if len(rate_err) else np.zeros(0),
        filled=filled,
        first=first,
        bins=np.diff(np.concatenate([first, [size]])),
    )


def _breaks(step: np.ndarray, max_gap: int) -> np.ndarray:
    """Return where a run ends: at long gaps, and at every gap of a run that has too many."""
    breaks = step > max_gap + 1
    run = np.concatenate([[0], np.cumsum(breaks)])
    missing = np.bincount(run[1:], np.where(breaks, 0, step - 1), minlength=run[-1] + 1)
    ragged = missing > MAX_FILLED * (missing + np.bincount(run))
    return breaks | ((step > 1) & ragged[run[1:]])
