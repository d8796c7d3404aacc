"""Single spectra before they are fitted: which bins can be, and which likelihood suits their errors."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float

MIN_BINS = 8
"""Fewer usable bins than this are not fitted."""
SAME_SCATTER = 0.3
"""Ratio of the scatter of error / power to that of the power, below which the errors are the power times a smooth
function."""
FOLLOWS = 0.5
"""Rank correlation of errors and powers, from bin to bin, above which the errors come from the data."""
NEIGHBOURS = 4
"""Bins on each side whose errors stand in for that of a bin."""

SMOOTHING, LEAST_ORDINATES = 0.15, 20
"""Width of a running mean in ln f, and the ordinates that it, or the mean of the lowest bins, must have."""
FILTERED = 0.1
"""Power of the lowest frequencies over the largest below which a filter has taken it."""

Bins: TypeAlias = Float[np.ndarray, " bins"]


@dataclass(frozen=True)
class Spectrum:
    """One power spectrum.

    Attributes
    ----------
    frequency, frequency_lo, frequency_hi : array, shape (bins,)
        Middles and edges of the bins, Hz.
    power : array, shape (bins,)
        Power.
    n : array, shape (bins,) or (0,)
        Raw ordinates averaged in each bin; empty where not known.
    power_err : array, shape (bins,) or (0,)
        Errors of the power; empty where n is known.
    likelihood : str, optional
        The one to fit with; by default the one that suits the spectrum.
    widths_known : bool, optional
        False where the edges were made up from the distances between frequencies.
    errors_follow : bool, optional
        Whether the errors are known to follow the power.
    """

    frequency: Bins
    frequency_lo: Bins
    frequency_hi: Bins
    power: Bins
    n: Float[np.ndarray, " bins_or_0"]
    power_err: Float[np.ndarray, " bins_or_0_"]
    likelihood: str | None = None
    widths_known: bool = True
    errors_follow: bool = False

    @classmethod
    def of(cls, row: Mapping) -> "Spectrum":
        """Return the spectrum of a row of SPECTRA."""

        def column(name: str) -> np.ndarray:
            return np.asarray(row[name], float)

        return cls(
            frequency=column("frequency"),
            frequency_lo=column("frequency_lo"),
            frequency_hi=column("frequency_hi"),
            power=column("power"),
            n=column("n"),
            power_err=column("power_err"),
        )

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return len(self.frequency)

    @property
    def width(self) -> Bins:
        """Widths of the bins, Hz."""
        return self.frequency_hi - self.frequency_lo


def too_few_bins(bins: int) -> str:
    """Return the sentence that says why a spectrum with this number of usable bins was not fitted."""
    return f"{bins} usable frequency bins, {MIN_BINS} are needed"


def usable(
    spectrum: Spectrum, frequency_range: tuple[float, float] | None = None
) -> Bool[np.ndarray, " bins"]:
    """Return which bins of a spectrum can be fitted.

    Parameters
    ----------
    spectrum : Spectrum
        The spectrum.
    frequency_range : (float, float), optional
        Frequencies to fit, Hz.
    """
    frequency, power = spectrum.frequency, spectrum.power
    weight = weights(spectrum)
    good = np.isfinite(frequency) & (frequency > 0) & np.isfinite(power) & np.isfinite(weight)
    good &= weight > 0
    kind = likelihood_of(spectrum)
    if kind != "gaussian":
        good &= (power >= 0) if kind == "poisson" else (power > 0)
    if frequency_range is not None:
        good &= (frequency >= frequency_range[0]) & (frequency <= frequency_range[1])
    return good


def corner(spectrum: Spectrum, good: Bool[np.ndarray, " bins"]) -> float:
    """Return the frequency below which a high-pass filter has taken the power, Hz; 0 where none has.

    The power of stars does not fall towards low frequencies. Where the mean of the lowest ordinates is less than a
    tenth of the largest running mean of the power, the frequencies below that largest one are filtered.

    Parameters
    ----------
    spectrum : Spectrum
        Its n must be known.
    good : bool array, shape (bins,)
        Its usable bins.
    """
    if not spectrum.n.size or good.sum() < MIN_BINS:
        return 0.0
    frequency, power, n = (a[good] for a in (spectrum.frequency, spectrum.power, spectrum.n))
    place = np.log(frequency)
    steps = np.arange(place[0], place[-1] + SMOOTHING / 2, SMOOTHING / 2)
    lowest = np.searchsorted(np.cumsum(n), LEAST_ORDINATES) + 1
    each = [n * np.exp(-0.5 * ((place - at) / SMOOTHING) ** 2) for at in steps]
    smooth = np.array([weight @ power / weight.sum() for weight in each])
    reliable = np.array([weight.sum() for weight in each]) >= LEAST_ORDINATES
    if not reliable.any():
        return 0.0
    highest = np.flatnonzero(reliable)[np.argmax(smooth[reliable])]
    low = n[:lowest] @ power[:lowest] / n[:lowest].sum()
    return float(np.exp(steps[highest])) if low < FILTERED * smooth[highest] else 0.0


def likelihood_of(spectrum: Spectrum) -> str:
    """Return the likelihood of a spectrum, by default ``gamma`` where n is known, else ``gaussian``."""
    return spectrum.likelihood or ("gamma" if spectrum.n.size else "gaussian")


def weights(spectrum: Spectrum) -> Bins:
    """Return n, or 1 / sigma^2 where only errors are known; with the model's variance n = (P / sigma)^2."""
    kind = likelihood_of(spectrum)
    if kind != "gaussian" and spectrum.n.size:
        return spectrum.n
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = 1.0 / spectrum.power_err**2
    if kind == "gaussian_model":
        return weight * np.square(spectrum.power)
    return weight


def with_errors_only(spectrum: Spectrum, likelihood: str = "auto") -> Spectrum:
    """Return a spectrum with the likelihood that suits its errors; one with n is returned as it is.

    Errors that come from the data are too small where the power fluctuated down: a fit weighted by them is
    too low by about 2 / n. Where they are the power times a smooth function of frequency, as P / sqrt(n) is,
    the likelihood with the variance of the model has no such lean (``gaussian_model``). Where they follow the
    power otherwise (the noise was subtracted from it but not from them) each error is replaced by the
    geometric mean of those of its neighbours, scaled by the widths of the bins (after Churazov et al. 1996,
    ApJ 471, 673). Other errors are taken as they are.

    Parameters
    ----------
    spectrum : Spectrum
        The spectrum.
    likelihood : {"auto", "gaussian", "gaussian_model"}, optional
        Whether to do so, or to take one likelihood with the errors as they are.

    Returns
    -------
    Spectrum
        With its likelihood, or with other errors; it says where they follow the power.
    """
    if spectrum.n.size or spectrum.likelihood:
        return spectrum
    if likelihood != "auto":
        return replace(spectrum, likelihood=likelihood)
    power, error, width = spectrum.power, spectrum.power_err, spectrum.width
    good = np.isfinite(power) & np.isfinite(error) & (error > 0) & (width > 0)
    scaled = error[good] * np.sqrt(width[good])
    if _is_smooth_part(power[good], scaled):
        return replace(spectrum, likelihood="gaussian_model", errors_follow=True)
    if not _follows(power[good], scaled):
        return spectrum
    smooth = np.full_like(error, np.inf)
    smooth[good] = _without_own(scaled) / np.sqrt(width[good])
    return replace(spectrum, power_err=smooth, errors_follow=True)


def _is_smooth_part(power, error) -> bool:
    """Return whether errors are the power times a smooth function.

    Second differences from bin to bin leave the fluctuations and take the shape of the spectrum away.
    """
    if power.size < MIN_BINS or not (power > 0).all():
        return False
    away, logs = np.diff(np.log(error), 2), np.diff(np.log(power), 2)
    return bool(np.median(np.abs(away - logs)) < SAME_SCATTER * np.median(np.abs(logs)))


def _follows(power, error) -> bool:
    """Return whether errors rise and fall with the power from bin to bin."""
    if power.size < MIN_BINS:
        return False
    away = np.diff(np.log(error), 2)
    ranks = [np.argsort(np.argsort(a)) for a in (away, np.diff(power, 2))]
    return bool(np.asarray(np.corrcoef(ranks))[0, 1] > FOLLOWS)


def _without_own(error):
    """Return the geometric mean of the errors of the neighbours of each bin, as many on one side as on the other."""
    logs, last = np.log(error), error.size - 1
    out = np.empty_like(error)
    for k in range(error.size):
        reach = max(min(NEIGHBOURS, k, last - k), 1)
        near = [j for j in range(k - reach, k + reach + 1) if j != k and 0 <= j <= last]
        out[k] = np.exp(logs[near].mean())
    return out
