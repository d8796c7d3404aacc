"""Whether rates are Poisson counts, by their errors. A background, a weight or a correction shows in them."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import gammaincinv, ndtr

from pipeline.ingest.keyword import is_true

ENOUGH = 1 << 16
"""About this many bins are looked at: of more, every second, third, … one."""

_ALIKE = 1e-3
"""Relative difference allowed between the noise of the errors and that of counts."""

_MOST = 0.98
"""Fraction of the bins that has to agree; a few, for example at the ends, may differ."""

_WHOLE = 0.02
"""Largest distance of counts from a whole number, beyond the precision that they are written with."""

_TELLING = 0.2
"""Largest distance with any precision: less than half of random numbers are within it."""

_SINGLE = 1e-6
"""Relative precision of numbers that were once in single precision, and were multiplied since."""

_FEW = 20_000
"""Largest counts in a bin for which a ratio in single precision tells neighbouring numbers apart."""

Form = Callable[[np.ndarray], np.ndarray]
"""An estimate of the error of counts."""

_ONE_SIGMA = float(ndtr(1.0))


@dataclass(frozen=True)
class Noise:
    """The noise of a light curve, by its errors.

    Attributes
    ----------
    counting : bool
        Whether rate times bin width are Poisson counts.
    gross : bool
        Whether nothing was subtracted from the counts. They may be multiplied by a correction, or exposed
        unevenly.
    rate_err : ndarray, shape (n,) or (0,)
        Errors whose mean square is the variance of the noise: the given ones, or the square roots of the
        counts if the given ones are another estimate of the error of counts.
    """

    counting: bool
    gross: bool
    rate_err: np.ndarray


_SUBTRACTED = ("BACKAPP", "BKGAPP", "BACKSUB", "BKGSUB", "BACKCORR")


def is_net(header: Mapping[str, Any]) -> bool:
    """Return whether keywords say that the background was subtracted from a light curve.

    A net light curve may lack these keywords. That a rate is not net, only the errors can tell.
    """
    kind = str(header.get("HDUCLAS2", "")).strip().upper()
    return kind == "NET" or any(is_true(header.get(key)) for key in _SUBTRACTED)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def of_curve(rate: np.ndarray, rate_err: np.ndarray, dt: float, fracexp: np.ndarray) -> Noise:
    """Find out from the errors of rates whether they are Poisson counts.

    The variance of counts is the number of counts: ``rate_err**2 * dt == rate`` in each bin. After a
    subtraction it is larger than the rate; after a correction both are larger by the same factor. Raw counts
    are whole numbers, unlike a net rate whose errors were computed from the net rate.

    Parameters
    ----------
    rate, rate_err : ndarray, shape (n,), or (0,) for the errors where they are unknown
        ct/s.
    dt : float
        Width of a bin, s.
    fracexp : ndarray, shape (n,) or (0,)
        Exposed fraction of each bin; empty if unknown.

    Notes
    -----
    These estimates of the error of N counts are recognised, also for rates that are multiplied by a
    correction: the square roots of N, N + 1/4, N + 3/4 and N + 1; 1 + sqrt(N + 3/4) (Gehrels 1986, ApJ 303,
    336); 1/2 + sqrt(N + 1/4); and half the 68.3 % interval of Garwood (1936), as Stingray writes it. All but
    the first overestimate the noise: with Gehrels's, 2 mean(error^2) is 1.8 times too large at N = 10.
    """
    if not len(rate_err):
        return Noise(False, False, rate_err)
    some = slice(None, None, 1 + len(rate) // ENOUGH)
    value, error = rate[some].astype(float), rate_err[some].astype(float)
    seen = np.flatnonzero(np.isfinite(value) & np.isfinite(error) & (value > 0) & (error > 0))
    if not len(seen):
        return Noise(False, False, rate_err)
    value, error = value[seen], error[seen]
    exposed = (np.ones(1), fracexp[some][seen].astype(float)) if len(fracexp) else (np.ones(1),)
    for fraction in exposed:
        exposure = dt * np.where(fraction > 0, fraction, np.nan)
        number = value * exposure
        spread = _resolution(value) * exposure / 2
        if not _are_whole(number, spread):
            continue
        blur = 0.6 * _resolution(error) * exposure
        form = next((f for f in _FORMS if _agree(error * exposure, f(np.rint(number)), blur)), None)
        if form is not None:
            exact = _zero_without_counts(rate, rate_err)
            if form is not np.sqrt or np.any(blur > _ALIKE * np.sqrt(number)):
                whole = dt * (np.where(fracexp > 0, fracexp, np.nan) if len(fraction) > 1 else 1.0)
                exact = np.sqrt(np.maximum(rate, 0.0) / whole)
            return Noise(_is_alike(rate[some], exact[some], dt), True, exact)
    if _are_whole((value / error) ** 2, np.zeros(1)):
        return Noise(False, True, _zero_without_counts(rate, rate_err))
    for form in _FORMS[1:]:
        if np.mean(_number_by(form, value / error) > 0) >= _MOST:
            number = _number_by(form, rate / np.where(rate_err > 0, rate_err, np.nan))
            exact = np.where(number > 0, rate / np.sqrt(number), rate_err)
            return Noise(False, True, _zero_without_counts(rate, exact))
    return Noise(False, False, rate_err)


def _zero_without_counts(rate: np.ndarray, rate_err: np.ndarray) -> np.ndarray:
    """Return errors that are 0 where there is no count, so that their mean square is the mean number of counts."""
    empty = (rate == 0) & (rate_err > 0)
    return np.where(empty, 0.0, rate_err) if empty.any() else rate_err


@functools.lru_cache(maxsize=16)
def _ratios(form: Form) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers of counts, and the increasing ratio of each to its error by an estimate."""
    number = np.arange(1.0, _FEW)
    return number, number / form(number)


def _number_by(form: Form, ratio: np.ndarray) -> np.ndarray:
    """Return the counts that have a given ratio to their error by an estimate; NaN where no counts have it.

    A correction does not change the ratio. The ratios of neighbouring numbers differ by about 1/(2 N), so that
    up to `_FEW` counts can be told apart.
    """
    number, known = _ratios(form)
    place = np.clip(np.searchsorted(known, ratio), 1, len(known) - 1)
    place -= np.abs(known[place - 1] - ratio) <= np.abs(known[place] - ratio)
    apart = np.abs(known[place] - ratio) / known[place]
    alike = apart <= np.minimum(_ALIKE, _TELLING / 4 / number[place])
    return np.where(alike, number[place], np.nan)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def are_counts(values: np.ndarray) -> bool:
    """Return whether finite values are whole numbers, none of them negative, and not all zero."""
    known = values[np.isfinite(values)]
    whole = len(known) and not (known < 0).any() and _are_whole(known[known > 0], np.zeros(1))
    return bool(whole)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")
def errors_of(rate: np.ndarray, dt: float, fracexp: np.ndarray) -> np.ndarray:
    """Return the errors of rates that are whole numbers of counts in their bins; empty if they are not.

    Parameters
    ----------
    rate, fracexp : ndarray, shape (n,), or (0,) for the exposed fraction where it is unknown
        ct/s.
    dt : float
        Width of a bin, s.
    """
    exposed = [np.ones(1)]
    if len(fracexp):
        exposed.append(np.where(fracexp > 0, fracexp, np.nan))
    for fraction in exposed:
        if are_counts(rate * dt * fraction):
            return np.sqrt(rate / (dt * fraction))
    return np.empty(0)


def _resolution(values: np.ndarray) -> float:
    """Return the power of ten that values are rounded to; 0 if they have more than eight decimals."""
    for decimals in range(9):
        scaled = values * 10.0**decimals
        if np.all(np.abs(scaled - np.rint(scaled)) <= 1e-9 * np.maximum(scaled, 1)):
            return 10.0**-decimals
    return 0.0


def _are_whole(number: np.ndarray, spread: np.ndarray) -> bool:
    """Return whether positive numbers are whole, within `spread` and single precision."""
    if not len(number):
        return False
    blur = np.where(spread < _TELLING, spread, 0.0)
    allowed = np.minimum(_WHOLE + _SINGLE * number + blur, _TELLING)
    whole = (np.abs(number - np.rint(number)) <= allowed) & (number > 0.5)
    return bool(np.mean(whole) >= _MOST and np.median(number) < _TELLING / _SINGLE)


def _agree(error: np.ndarray, expected: np.ndarray, blur: np.ndarray) -> bool:
    """Return whether nearly all errors are as expected, within the precision that they are written with."""
    allowed = _ALIKE * expected + np.where(blur < _TELLING * expected / 4, blur, 0.0)
    return bool(np.mean(np.abs(error - expected) <= allowed) >= _MOST)


def _is_alike(rate: np.ndarray, rate_err: np.ndarray, dt: float) -> bool:
    """Return whether the noise of the errors is that of the counts in a light curve."""
    finite = np.isfinite(rate) & np.isfinite(rate_err)
    total = float(np.sum(rate[finite]))
    return abs(float(np.sum(rate_err[finite] ** 2)) * dt - total) <= _ALIKE * total


def _garwood(number: np.ndarray) -> np.ndarray:
    """Return half the central 68.3 % interval of the mean of a Poisson number."""
    each, place = np.unique(number, return_inverse=True)
    upper = gammaincinv(each + 1, _ONE_SIGMA)
    lower = np.where(each > 0, gammaincinv(np.maximum(each, 1), 1 - _ONE_SIGMA), 0.0)
    return ((upper - lower) / 2)[place]


_FORMS: tuple[Form, ...] = (
    np.sqrt,
    lambda n: 1 + np.sqrt(n + 0.75),
    _garwood,
    lambda n: 0.5 + np.sqrt(n + 0.25),
    lambda n: np.sqrt(n + 1),
    lambda n: np.sqrt(n + 0.75),
    lambda n: np.sqrt(n + 0.25),
)
