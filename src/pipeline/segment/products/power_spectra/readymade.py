"""Power spectra that come ready-made: their number of ordinates, their averages."""

from collections.abc import Sequence

import numpy as np

from pipeline.config.segment import SegmentOptions
from pipeline.refusal import Refusal
from pipeline.segment.members import Member
from pipeline.segment.observation import Observation, Observations, all_flags
from pipeline.segment.products.base import NO_FLAG
from pipeline.segment.products.power_spectra import ranges
from pipeline.segment.products.power_spectra.columns import Averaged
from pipeline.segment.spectrum import variability
from pipeline.segment.spectrum.rebin import Spectrum
from pipeline.status import Flag, Status

LEAST_ERROR = 1e-9
"""Relative error below which it is none: that of an average of 10^18 ordinates."""


def averaged(observations: Observations, options: SegmentOptions) -> Averaged | Refusal:
    """Average power spectra of the same frequency bins, or say why there is no average."""
    try:
        return _averaged(observations, options)
    except Refusal as error:
        return error


def _averaged(observations: Observations, options: SegmentOptions) -> Averaged:
    used, unused = [], []
    for one in (observations[i] for i in range(len(observations))):
        if len(one.power_err) or len(one.n):
            used.append(one)
        else:
            reason = f"{one.header.file}: the powers have no errors; give them as STAT_ERR"
            unused.append(Refusal(Status.BAD_SPECTRUM, reason))
    if not used:
        raise unused[0]
    spectra = [spectrum(one) for one in used]
    ordinates = [max(float(one.n.sum()), 1.0) for one in spectra]
    norm = used[0].header.norm
    noise = np.average([one.header.noise for one in used], weights=ordinates)
    known = any(len(one.n) for one in used)
    together = combine(spectra, None if known else [one.header.exposure for one in used])
    together = together.keep(ranges.inside(together.frequency, options))
    rms = variability.RMS_UNKNOWN
    if norm == "frac" and np.isfinite(noise):
        width = together.frequency_hi - together.frequency_lo
        rms = variability.rms(together.power, noise, together.n, width)
    flags = NO_FLAG if len(together.n) else Flag.GAUSSIAN
    together, coarsened = ranges.limited(together, options)
    members = [Member.of(one) for one in used]
    flags |= all_flags(member.flags for member in members)
    return Averaged(
        members=members,
        reason=f"{len(unused)} observations not used; {unused[0]}" if unused else "",
        flags=flags | coarsened | rms.flag | (Flag.PARTIAL if unused else NO_FLAG),
        spectrum=together,
        norm=norm,
        noise=float(noise),
        rms=rms,
    )


def spectrum(one: Observation) -> Spectrum:
    """Return a power spectrum that comes ready-made, with its numbers of ordinates or its errors."""
    edges = one.frequency_lo, one.frequency_hi
    if len(one.n):
        return from_ordinates(*edges, one.power, one.n)
    return from_errors(*edges, one.power, one.power_err, bool(np.isfinite(one.header.noise)))


def from_errors(
    frequency_lo: np.ndarray,
    frequency_hi: np.ndarray,
    power: np.ndarray,
    power_err: np.ndarray,
    noise_known: bool,
) -> Spectrum:
    """Turn a power spectrum with Gaussian errors into one with numbers of ordinates.

    The error of an average of n ordinates is S / sqrt(n), so n = (power / error)^2, provided that
    the power includes the noise, as S does; without it the spectrum stays Gaussian.

    Parameters
    ----------
    frequency_lo, frequency_hi : ndarray, shape (n_bins,)
        Edges, Hz.
    power, power_err : ndarray, shape (n_bins,)
        Power and its error.
    noise_known : bool
        Whether the noise level is known and included.

    Returns
    -------
    Spectrum
        Bins that cannot be used (no finite power, no positive error, with known noise no positive
        power) have no weight: n = 0, or an infinite error.
    """
    usable = np.isfinite(power) & np.isfinite(power_err) & (power_err > LEAST_ERROR * np.abs(power))
    if noise_known:
        usable &= power > 0
    error = np.where(usable, power_err, np.inf)
    power = np.where(usable, power, 0.0)
    nothing = np.zeros(0)
    return Spectrum(
        frequency=(frequency_lo + frequency_hi) / 2,
        frequency_lo=frequency_lo,
        frequency_hi=frequency_hi,
        power=power,
        n=(power / error) ** 2 if noise_known else nothing,
        power_err=nothing if noise_known else error,
    )


def from_ordinates(
    frequency_lo: np.ndarray, frequency_hi: np.ndarray, power: np.ndarray, n: np.ndarray
) -> Spectrum:
    """Return a power spectrum, noise included, whose numbers of ordinates are known.

    Parameters
    ----------
    frequency_lo, frequency_hi, power, n : ndarray, shape (n_bins,)
        Edges, Hz; power; ordinates averaged in each bin.

    Returns
    -------
    Spectrum
        Bins without a positive power have no weight: n = 0.
    """
    usable = np.isfinite(power) & (power > 0)
    return Spectrum(
        frequency=(frequency_lo + frequency_hi) / 2,
        frequency_lo=frequency_lo,
        frequency_hi=frequency_hi,
        power=np.where(usable, power, 0.0),
        n=np.where(usable, n, 0.0),
        power_err=np.zeros(0),
    )


def combine(spectra: Sequence[Spectrum], exposures: Sequence[float] | None = None) -> Spectrum:
    """Average spectra of the same bins, each with one weight for all its bins.

    Errors that come from the data follow the power: weighted by 1 / error^2, or by (power / error)^2, bins
    that fluctuated down, or up, would count more, and the average of 30 spectra with n = 10 would be 19 %
    too low, or too high.

    Parameters
    ----------
    spectra : sequence of Spectrum
        From `from_errors` or `from_ordinates`, all with `n` or all with `power_err`.
    exposures : array-like, shape (spectra,), optional
        Exposures, s: the weights. Where one is missing (not positive, not finite), or none are given, the
        weights are the numbers of ordinates, or the inverse variances, of each spectrum as a whole.

    Returns
    -------
    Spectrum
        Of the bins that have any weight.
    """
    first = spectra[0]
    gaussian = not len(first.n)
    n = np.array([s.power_err**-2.0 if gaussian else s.n for s in spectra])
    usable = n > 0
    of_spectra, of_bins = _separated(n, usable)
    weights = np.where(usable, _known(exposures, of_spectra)[:, None], 0.0)
    total = weights.sum(axis=0)
    used = total > 0
    safe = np.where(used, total, 1)
    power = (weights * [s.power for s in spectra]).sum(axis=0) / safe
    if not gaussian:
        # where they come from errors, those of a bin are no better known than its power
        n = of_spectra[:, None] * of_bins
    variance = np.where(usable, 1 / np.where(usable, n, 1.0), 0.0)
    spread = np.where(used, (weights**2 * variance).sum(axis=0) / safe**2, 1.0)
    nothing = np.zeros(0)
    return Spectrum(
        frequency=first.frequency,
        frequency_lo=first.frequency_lo,
        frequency_hi=first.frequency_hi,
        power=power,
        n=nothing if gaussian else 1 / spread,
        power_err=np.sqrt(spread) if gaussian else nothing,
    ).keep(used)


def _known(exposures: Sequence[float] | None, otherwise: np.ndarray) -> np.ndarray:
    """Return the exposures of the spectra, or the other weights where one exposure is missing."""
    if exposures is None:
        return otherwise
    given = np.asarray(exposures, float)
    return given if (np.isfinite(given) & (given > 0)).all() else otherwise


def _separated(n: np.ndarray, usable: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return one factor a spectrum and one a bin, whose products are about `n`, (spectra, bins)."""
    logs = np.log(np.where(usable, n, 1.0))
    count = np.maximum(usable.sum(axis=0), 1)
    of_bins = logs.sum(axis=0) / count
    away = np.where(usable, logs - of_bins, np.nan)
    of_spectra = np.array([np.nanmedian(a) if np.isfinite(a).any() else 0.0 for a in away])
    of_bins = np.where(usable, logs - of_spectra[:, None], 0.0).sum(axis=0) / count
    return np.exp(of_spectra), np.exp(of_bins)
