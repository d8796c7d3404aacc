"""Fits from Python: arrays or Stingray's spectra in, named parameters with errors out."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.fit import given
from pipeline.fit.engine.devices import borrowed
from pipeline.fit.engine.engine import Engine
from pipeline.fit.model.model import Model
from pipeline.fit.objectives.power_spectrum import PowerSpectrum
from pipeline.fit.search.batch import Batch, ModelFit
from pipeline.fit.search.fit_model import fit_model
from pipeline.fit.tables import buckets
from pipeline.fit.tables.errors import parameter_errors
from pipeline.fit.tables.outcome import statuses
from pipeline.fit.tables.spectra import Spectrum, too_few_bins, usable, with_errors_only
from pipeline.fit.uncertainty.intervals import add_profiles
from pipeline.status import Status

BATCH_SIZE = 4096
"""Spectra that are in the device's memory at a time."""


class Parameter(NamedTuple):
    """One parameter of every spectrum, arrays of shape (spectra,).

    Attributes
    ----------
    value : array
        Best value, NaN where the component is not in the model or nothing was fitted.
    err_lo, err_hi : array
        Distances to the ends of the 68.3 % interval, both positive; infinite or NaN where there is none.
    """

    value: Float[np.ndarray, " spectra"]
    err_lo: Float[np.ndarray, " spectra"]
    err_hi: Float[np.ndarray, " spectra"]


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """One model fitted to many spectra; the first axis of every array is the spectrum.

    ``result["lorentzian.1.frequency"]`` is the `Parameter` of that name.

    Attributes
    ----------
    model : Model
        What was fitted.
    values, err_lo, err_hi : array, shape (spectra, P)
        Parameters in their own units and the distances to the ends of their 68.3 % intervals.
    upper_limit, lower_limit : array, shape (spectra, P)
        Limits of 95 %, if profiles were made: upper limits of the amplitudes of weak components and of parameters
        whose interval is open below, lower limits of those whose interval is open above; else NaN.
    open_lo, open_hi : bool array, shape (spectra, P)
        Whether the interval has no end on that side; its error there is NaN.
    covariance : array, shape (spectra, P, P)
        Of the fitted variables: of the logarithm of parameters where ``model.is_log``. Zero in the rows
        of parameters that did not move, NaN where it does not exist.
    free : bool array, shape (spectra, P)
        Parameters that were free.
    statistic, deviance, aic, bic : array, shape (spectra,)
        -2 ln L, that less the one of the model that equals the data, and the criteria.
    iterations : int array, shape (spectra,)
        Iterations used.
    status : tuple of Status, length spectra
        Status of each fit; `Status.sentence` says it in words.
    reason : tuple of str, length spectra
        That sentence, or a more exact reason; empty where the status is `Status.OK`.
    """

    model: Model
    values: Float[np.ndarray, "spectra P"]
    err_lo: Float[np.ndarray, "spectra P"]
    err_hi: Float[np.ndarray, "spectra P"]
    upper_limit: Float[np.ndarray, "spectra P"]
    lower_limit: Float[np.ndarray, "spectra P"]
    open_lo: Bool[np.ndarray, "spectra P"]
    open_hi: Bool[np.ndarray, "spectra P"]
    covariance: Float[np.ndarray, "spectra P P"]
    free: Bool[np.ndarray, "spectra P"]
    statistic: Float[np.ndarray, " spectra"]
    deviance: Float[np.ndarray, " spectra"]
    aic: Float[np.ndarray, " spectra"]
    bic: Float[np.ndarray, " spectra"]
    iterations: Int[np.ndarray, " spectra"]
    status: tuple[Status, ...]
    reason: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, ``component.number.parameter``, in order."""
        return self.model.names

    @property
    def ok(self) -> Bool[np.ndarray, " spectra"]:
        """Spectra whose status is `Status.OK`, shape (spectra,)."""
        return np.array([s is Status.OK for s in self.status], bool)

    def __len__(self) -> int:
        return len(self.status)

    def __repr__(self) -> str:
        """Return the components and the number of spectra of each status; see `names` for the parameters."""
        components = " + ".join(slot.label for slot in self.model.slots)
        statuses = Counter(str(status) for status in self.status)
        counts = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
        return f"<Result of {len(self)} spectra: {components}; {counts or 'none'}>"

    def __getitem__(self, name: str) -> Parameter:
        if name not in self.names:
            raise KeyError(f"no parameter {name!r}; there are {', '.join(self.names)}")
        column = self.names.index(name)
        return Parameter(self.values[:, column], self.err_lo[:, column], self.err_hi[:, column])


def fit_spectra(
    model: Any,
    power: Any,
    frequency: Any = None,
    *,
    n: Any = None,
    error: Any = None,
    width: Any = None,
    likelihood: str | None = None,
    bin_average: bool | str = "auto",
    n_starts: int = 4,
    min_delta_bic: float = 0.0,
    errors: str = "observed",
    profile: str = "none",
    precision: str = "float64",
    platform: str = "auto",
    block_size: int = 64,
) -> Result:
    """Fit a model to many power spectra, without starting values.

    Parameters
    ----------
    model : Model, or sequence or mapping
        What to fit, or its components as in a configuration: ``["constant", {"lorentzian": {"up_to": 3}}]``;
        see `pipeline.fit.given.as_models` and `Model.from_components`.
    power : array, shape (spectra, bins) or (bins,), or Stingray spectra
        Power in any normalisation; or a `stingray.Powerspectrum`, or a sequence of them with any numbers
        of bins, which bring frequency and n along. Here and below masked values count as NaN, and
        quantities of Astropy or Pint are converted: power to 1/Hz, frequencies to Hz.
    frequency : array, shape (bins,) or (spectra, bins)
        Hz, in any order. A bin at zero frequency is left out, as is one whose power is not a number.
    n : array-like, optional
        Number of averaged ordinates of each bin: a number, shape (bins,) or (spectra, bins). 0 leaves a bin
        out; half the number where the bin is the Nyquist frequency of a series of even length. For the
        likelihood ``poisson`` the exposure.
    error : array-like, optional
        Standard deviations, where n is not known; shapes as of `n`. A bin without a positive one is left out.
    width : array-like, optional
        Widths of the bins, Hz; by default from the distances between the frequencies.
    likelihood : {"gamma", "gaussian", "gaussian_model", "poisson"}, optional
        See `pipeline.fit.model.likelihood.terms`; by default ``gamma`` with `n`, and with `error` the one that suits the errors:
        see `pipeline.fit.tables.spectra.with_errors_only`.
    bin_average : bool or "auto", optional
        Whether the model is averaged over each bin, rather than taken at its frequency; ``auto``: where
        `width` is given, or comes with the spectra, and differs from bin to bin.
    n_starts, min_delta_bic, errors
        See `pipeline.fit.fit_model`.
    profile : {"none", "weak", "all"}, optional
        Which components get errors and upper limits from the profile of the likelihood: see
        `pipeline.fit.add_profiles`.
    precision, platform
        See `pipeline.fit.configure`. JAX's own settings are restored afterwards.
    block_size : int, optional
        Spectra that iterate together.

    Returns
    -------
    Result
        One row a spectrum, in order. No content of a spectrum raises an error: see `Result.status`.

    Raises
    ------
    ValueError
        For arrays whose shapes do not go together, that are not real numbers or have a wrong unit; for
        neither or both of `n` and `error`; for an option that does not exist.
    RuntimeError
        When JAX has no device of the platform.
    pipeline.components.ComponentError
        For a component that does not exist.
    """
    if not isinstance(model, Model):
        model = Model.from_components(*given.as_models(model))
    spectra = _spectra(power, frequency, n, error, width, likelihood)
    spectra = [with_errors_only(spectrum) for spectrum in spectra]
    masks = [usable(spectrum) for spectrum in spectra]
    out = _empty(model, len(spectra))
    status = np.array([Status.BAD_SPECTRUM] * len(spectra), object)
    reason = np.array([too_few_bins(int(mask.sum())) for mask in masks], object)
    with borrowed(platform, precision) as devices:
        for bucket in buckets.in_buckets(spectra, masks, BATCH_SIZE, average=bin_average):
            engine = Engine(
                PowerSpectrum(model, bucket.likelihood),
                block_size=block_size,
                precision=precision,
                devices=devices,
            )
            batch = Batch(engine, bucket.spectra, bucket.widths)
            found = fit_model(batch, n_starts=n_starts, min_delta_bic=min_delta_bic, errors=errors)
            found = add_profiles(batch, found, which=profile)
            _fill(out, bucket.lanes, found)
            status[bucket.lanes] = own = statuses(found)
            reason[bucket.lanes] = ["" if one is Status.OK else one.sentence for one in own]
    return replace(out, status=tuple(status), reason=tuple(reason))


def _spectra(power, frequency, n, error, width, likelihood) -> list[Spectrum]:
    """Return the spectra of all forms of input."""
    many = power if isinstance(power, (list, tuple)) else [power]
    if many and all(hasattr(s, "power") and hasattr(s, "freq") for s in many):
        if any(a is not None for a in (frequency, n, error, width)):
            raise ValueError("Stingray spectra bring their own frequency, n and widths")
        return [_spectrum(_of_stingray(s), likelihood) for s in many]
    if (n is None) == (error is None):
        raise ValueError("give either n, the averaged ordinates of each bin, or error")
    if frequency is None:
        raise ValueError("give the frequency of each bin, Hz")
    unit = given.unit_of("power", power)
    power = np.atleast_2d(given.numbers("power", power))
    if power.ndim > 2:
        raise ValueError(f"power has shape {power.shape}, not (spectra, bins)")
    columns = zip(
        power,
        _matching("frequency", frequency, power.shape),
        _matching("n", n, power.shape),
        _matching("error", error, power.shape, unit),
        _matching("width", width, power.shape),
        strict=True,
    )
    return [_spectrum(_Arrays(*each), likelihood) for each in columns]


@dataclass(frozen=True)
class _Arrays:
    """One spectrum as it was given; None for an array that was not."""

    power: np.ndarray
    frequency: np.ndarray
    n: np.ndarray | None
    error: np.ndarray | None
    width: np.ndarray | None


def _matching(name, array, shape, unit=None):
    """Broadcast an array to the shape of the powers; Nones where it was not given."""
    if array is None:
        return [None] * shape[0]
    array = given.numbers(name, array, unit)
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(
            f"{name} has shape {np.shape(array)}, power (spectra, bins) = {shape}"
        ) from None


def _of_stingray(spectrum) -> _Arrays:
    """Return the arrays of a Stingray spectrum."""
    power = given.numbers("power", spectrum.power)
    frequency = given.numbers("frequency", spectrum.freq)
    width = getattr(spectrum, "df", None)
    if width is not None and np.size(width) not in (1, frequency.size):
        width = None
    width = None if width is None else given.numbers("width", width)
    return _Arrays(power, frequency, given.numbers("n", spectrum.m), None, width)


def _spectrum(arrays: _Arrays, likelihood: str | None) -> Spectrum:
    """Return one spectrum in order of frequency; a bin without a frequency has no width to give or take."""
    order = np.argsort(arrays.frequency)  # NaN last
    frequency = arrays.frequency[order]
    known = np.isfinite(frequency)
    if arrays.width is None:
        width = np.ones(frequency.size)
        if known.sum() > 1:
            width[known] = np.gradient(frequency[known])
    else:
        width = np.abs(np.broadcast_to(arrays.width, frequency.shape)[order])
    n = power_err = np.empty(0)
    if arrays.n is not None:
        n = np.broadcast_to(arrays.n, frequency.shape)[order]
    if arrays.error is not None:
        error = np.broadcast_to(arrays.error, frequency.shape)[order]
        power_err = np.where(error > 0, error, np.inf)
    return Spectrum(
        frequency=np.where(np.isfinite(width), frequency, np.nan),
        frequency_lo=frequency - width / 2,
        frequency_hi=frequency + width / 2,
        power=arrays.power[order],
        n=n,
        power_err=power_err,
        likelihood=likelihood,
        widths_known=arrays.width is not None,
    )


def _empty(model: Model, count: int) -> Result:
    """Return a result in which no spectrum has been fitted yet."""
    size = model.size
    by_parameter, by_spectrum = (count, size), (count,)
    return Result(
        model=model,
        values=np.full(by_parameter, np.nan),
        err_lo=np.full(by_parameter, np.nan),
        err_hi=np.full(by_parameter, np.nan),
        upper_limit=np.full(by_parameter, np.nan),
        lower_limit=np.full(by_parameter, np.nan),
        open_lo=np.zeros(by_parameter, bool),
        open_hi=np.zeros(by_parameter, bool),
        covariance=np.full((count, size, size), np.nan),
        free=np.zeros(by_parameter, bool),
        statistic=np.full(by_spectrum, np.nan),
        deviance=np.full(by_spectrum, np.nan),
        aic=np.full(by_spectrum, np.nan),
        bic=np.full(by_spectrum, np.nan),
        iterations=np.zeros(by_spectrum, int),
        status=(),
        reason=(),
    )


def _fill(out: Result, which: np.ndarray, fitted: ModelFit) -> None:
    """Enter the fits of a bucket into the arrays of a result."""
    model, errors = fitted.model, parameter_errors(fitted)
    there = fitted.active[model.slot_of()]

    def of_active(array):
        return np.where(there, array, np.nan).T

    out.values[which] = of_active(model.to_values(fitted.fit.u))
    out.err_lo[which], out.err_hi[which] = of_active(errors.err_lo), of_active(errors.err_hi)
    out.upper_limit[which] = of_active(errors.upper_limit)
    out.lower_limit[which] = of_active(errors.lower_limit)
    out.open_lo[which], out.open_hi[which] = (there & errors.open_lo).T, (there & errors.open_hi).T
    out.free[which] = fitted.free.T
    covariance = np.where(fitted.sound, fitted.covariance, np.nan)
    out.covariance[which] = np.moveaxis(covariance, -1, 0)
    for name in ("statistic", "aic", "bic"):
        getattr(out, name)[which] = getattr(fitted, name)
    out.deviance[which], out.iterations[which] = fitted.fit.deviance, fitted.fit.iterations
