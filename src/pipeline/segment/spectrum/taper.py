"""Windows and trends, which keep the power of low frequencies from leaking into all others.

A segment is a stretch cut out of a longer light curve. Its ends do not meet, and the step between them has power at
all frequencies, proportional to f^-2: red noise steeper than that, and trends, look like f^-2. A window that goes to
zero at the ends, a taper, prevents it (Harris 1978, Proc. IEEE 66, 51; Percival & Walden 1993, "Spectral Analysis
for Physical Applications", CUP, chapter 6). Its price: neighbouring ordinates are no longer independent. So only
every second ordinate is kept, from the fourth on, because the window mixes the first three with much stronger neighbours.
The ordinates that are kept are distributed like those of white noise; the others hold only 3 % of the information that is
left under the window.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft


@dataclass(frozen=True)
class Treatment:
    """What segments go through before they are transformed.

    Attributes
    ----------
    window : {"none", "hann", "dpss"}
        Window.
    detrend : {"constant", "linear", "quadratic"}
        What is subtracted: the mean, or the line or parabola through it by least squares.
    """

    window: str = "none"
    detrend: str = "constant"


UNTREATED = Treatment()
"""No window, and only the mean subtracted."""

HALF_BANDWIDTH = 2.5
"""NW of the DPSS taper, whose power outside of ± NW / T is 2.8e-6."""


@dataclass(frozen=True)
class Taper:
    """The effect of a window on the ordinates of a periodogram.

    Attributes
    ----------
    first : int
        The first ordinate that is kept, in units of one over the length of a segment.
    spacing : int
        From one that is kept to the next.
    ordinates : float
        Independent ordinates that each of them is worth: 1 / (1 + 2 r), r the correlation of the
        powers of neighbours that are kept, where that is not small.
    """

    first: int
    spacing: int
    ordinates: float = 1.0


TAPERS = {"none": Taper(1, 1), "hann": Taper(4, 2), "dpss": Taper(4, 2, 1 / (1 + 2 * 0.0716))}
"""Correlation between ordinates two apart: Hann 1/36; DPSS of NW = 2.5 0.0716."""

DEGREES = {"constant": 0, "linear": 1, "quadratic": 2}
"""Degree of the polynomial that is subtracted from each segment."""

LEAST = 12
"""Under ``auto`` a window is used where it leaves at least this number of ordinates: fewer cannot be fitted."""


def treatment(taper: str, detrend: str, n_bin: int, leaks: bool) -> Treatment:
    """Return a treatment with the window and the trend that ``auto`` stands for.

    Parameters
    ----------
    taper, detrend : str
        As configured.
    n_bin : int
        Bins in a segment.
    leaks : bool
        Whether power leaks without a window, see `pipeline.segment.spectrum.leakage`.
    """
    if detrend == "auto":
        detrend = "linear" if leaks else "constant"
    if taper == "auto":
        enough = len(ordinates(n_bin, Treatment("hann", detrend))) >= LEAST
        taper = "hann" if leaks and enough else "none"
    return Treatment(taper, detrend)


@lru_cache(maxsize=2)
def window(name: str, n_bin: int) -> np.ndarray:
    """Return a window, shape (n_bin,), of mean square 1."""
    if name == "none":
        values = np.ones(n_bin)
    elif name == "hann":
        values = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_bin) / n_bin)
    else:
        from scipy.signal.windows import dpss  # takes long to import

        values = dpss(n_bin, HALF_BANDWIDTH)
    values = values / np.sqrt(np.mean(values**2))
    values.setflags(write=False)
    return values


@lru_cache(maxsize=2)
def _polynomials(n_bin: int, degree: int) -> np.ndarray:
    """Return orthonormal polynomials up to a degree, shape (n_bin, degree + 1)."""
    basis = np.polynomial.legendre.legvander(np.linspace(-1, 1, n_bin), degree)
    return np.linalg.qr(basis)[0]


def detrended(rate: np.ndarray, detrend: str) -> np.ndarray:
    """Subtract from each segment its mean, or the line or parabola through it by least squares.

    Parameters
    ----------
    rate : ndarray, shape (k, n_bin)
        Rates in k segments.
    detrend : {"constant", "linear", "quadratic"}
        What to subtract.
    """
    # the mean, which may be large, would cost digits
    rate = rate - rate.mean(axis=1, keepdims=True)
    if detrend == "constant":
        return rate
    basis = _polynomials(rate.shape[1], DEGREES[detrend])
    return rate - (rate @ basis) @ basis.T


def ordinates(n_bin: int, treated: Treatment = UNTREATED) -> np.ndarray:
    """Return the ordinates that are kept, in units of one over the length of a segment.

    A trend takes the lowest ordinates with it: a line the first, a parabola the first two.
    """
    kind = TAPERS[treated.window]
    first = max(kind.first, 1 + DEGREES[treated.detrend])
    return np.arange(first, n_bin // 2 + 1, kind.spacing)


def power(rate: np.ndarray, treated: Treatment = UNTREATED) -> np.ndarray:
    """Return the squared transforms of segments at the ordinates that are kept.

    Parameters
    ----------
    rate : ndarray, shape (k, n_bin)
        Rates in k segments.
    treated : Treatment
        What they go through first. The window has a mean square of 1, so that white noise keeps its power.

    Returns
    -------
    ndarray, shape (k, kept)
    """
    n_bin = rate.shape[1]
    rate = detrended(rate, treated.detrend)
    if treated.window != "none":
        rate = rate * window(treated.window, n_bin)
    kept = fft.rfft(rate, axis=1)[:, ordinates(n_bin, treated)]
    return kept.real**2 + kept.imag**2
