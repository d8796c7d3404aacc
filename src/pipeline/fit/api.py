"""Fits from Python: arrays or Stingray's spectra in, named parameters with errors out."""

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pipeline.fit import given
from pipeline.fit.engine.devices import borrowed
from pipeline.fit.engine.engine import Engine
from pipeline.fit.model.model import Model
from pipeline.fit.objectives.power_spectrum import PowerSpectrum
from pipeline.fit.search.fit_model import fit_model
from pipeline.fit.tables import buckets, results
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

    value: np.ndarray
    err_lo: np.ndarray
    err_hi: np.ndarray


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
        Limits of 95 %, where profiles were asked for: upper ones of the amplitudes of weak components and of
        what is open below, lower ones of what is open above; else NaN.
    open_lo, open_hi : bool array, shape (spectra, P)
        Whether the interval has no end on that side; its error there is NaN.
    covariance : array, shape (spectra, P, P)
        Of the fitted variables: of the logarithm of parameters where ``model.is_log``. Zero in the rows
        of what did not move, NaN where it does not exist.
    free : bool array, shape (spectra, P)
        Parameters that were free.
    statistic, deviance, aic, bic : array, shape (spectra,)
        -2 ln L, that less the one of the model that equals the data, and the criteria.
    iterations : int array, shape (spectra,)
        Iterations used.
    status : tuple of Status, length spectra
        What became of each; `Status.sentence` says it in words.
    reason : tuple of str, length spectra
        The sentence, or more exactly what was wrong; empty where all is well.
    """

    model: Model
    values: np.ndarray
    err_lo: np.ndarray
    err_hi: np.ndarray
    upper_limit: np.ndarray
    lower_limit: np.ndarray
    open_lo: np.ndarray
    open_hi: np.ndarray
    covariance: np.ndarray
    free: np.ndarray
    statistic: np.ndarray
    deviance: np.ndarray
    aic: np.ndarray
    bic: np.ndarray
    iterations: np.ndarray
    status: tuple
    reason: tuple

    @property
    def names(self) -> tuple:
        """Names of the parameters, ``component.number.parameter``, in order."""
        return self.model.names

    @property
    def ok(self) -> np.ndarray:
        """Spectra whose status is `Status.OK`, shape (spectra,)."""
        return np.array([s is Status.OK for s in self.status], bool)

    def __len__(self) -> int:
        return len(self.status)

    def __repr__(self) -> str:
        """Say what was fitted and how that went, in a line; see `names` for the parameters."""
        components = " + ".join(slot.label for slot in self.model.slots)
        statuses = Counter(str(status) for status in self.status)
        counts = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
        return f"<Result of {len(self)} spectra: {components}; {counts or 'none'}>"

    def __getitem__(self, name) -> Parameter:
        if name not in self.names:
            raise KeyError(f"no parameter {name!r}; there are {', '.join(self.names)}")
        column = self.names.index(name)
        return Parameter(self.values[:, column], self.err_lo[:, column], self.err_hi[:, column])


def fit_spectra(
    model,
    power,
    frequency=None,
    *,
    n=None,
    error=None,
    width=None,
    likelihood=None,
    bin_average="auto",
    n_starts=4,
    min_delta_bic=0.0,
    errors="observed",
    profile="none",
    precision="float64",
    platform="auto",
    block_size=64,
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
        See `pipeline.fit.model.likelihood.terms`; by default ``gamma`` with `n`, and with `error` what suits it:
        see `pipeline.fit.tables.buckets.with_errors_only`.
    bin_average : bool or "auto", optional
        Whether the model is averaged over each bin, rather than taken at its frequency; ``auto``: where
        `width` is given, or comes with the spectra, and differs from bin to bin.
    n_starts, min_delta_bic, errors
        See `pipeline.fit.fit_model`.
    profile : {"none", "weak", "all"}, optional
        What gets errors and upper limits from the profile of the likelihood: see
        `pipeline.fit.add_profiles`.
    precision, platform
        See `pipeline.fit.configure`. JAX's own settings are afterwards what they were.
    block_size : int, optional
        Spectra that iterate together.

    Returns
    -------
    Result
        One row a spectrum, in order. Never raises for what is in a spectrum: see `Result.status`.

    Raises
    ------
    ValueError
        For arrays whose shapes do not go together, that are not real numbers or have a wrong unit; for
        neither or both of `n` and `error`; for an option that does not exist.
    RuntimeError
        When the platform asked for is not there.
    pipeline.components.ComponentError
        For a component that does not exist.
    """
    if not isinstance(model, Model):
        model = Model.from_components(*given.as_models(model))
    rows = _rows(power, frequency, n, error, width, likelihood)
    rows = [buckets.with_errors_only(row) for row in rows]
    masks = [buckets.usable(row) for row in rows]
    out = _empty(model, masks)
    with borrowed(platform, precision) as devices:
        for bucket in buckets.in_buckets(rows, masks, BATCH_SIZE, average=bin_average):
            engine = Engine(
                PowerSpectrum(model, bucket.likelihood),
                block_size=block_size,
                precision=precision,
                devices=devices,
            )
            data = engine, bucket.spectra, bucket.widths
            found = fit_model(*data, n_starts=n_starts, min_delta_bic=min_delta_bic, errors=errors)
            _fill(out, bucket.lanes, add_profiles(*data, found, which=profile))
    out["status"], out["reason"] = tuple(out["status"]), tuple(out["reason"])
    return Result(model, **out)


def _rows(power, frequency, n, error, width, likelihood):
    """Return one row a spectrum, as `pipeline.fit.tables.buckets` takes them."""
    many = power if isinstance(power, (list, tuple)) else [power]
    if many and all(hasattr(s, "power") and hasattr(s, "freq") for s in many):
        if any(a is not None for a in (frequency, n, error, width)):
            raise ValueError("Stingray spectra bring their own frequency, n and widths")
        each = [_of_stingray(s) for s in many]
    else:
        if (n is None) == (error is None):
            raise ValueError("give either n, the averaged ordinates of each bin, or error")
        if frequency is None:
            raise ValueError("give the frequency of each bin, Hz")
        unit = given.unit_of("power", power)
        power = np.atleast_2d(given.numbers("power", power))
        if power.ndim > 2:
            raise ValueError(f"power has shape {power.shape}, not (spectra, bins)")
        each = [_matching(name, a, power.shape) for name, a in (("frequency", frequency), ("n", n))]
        each += [
            _matching("error", error, power.shape, unit),
            _matching("width", width, power.shape),
        ]
        each = zip(power, *each, strict=True)
    return [_row(*arrays, likelihood) for arrays in each]


def _matching(name, array, shape, unit=None):
    """Broadcast what was told of the bins to the shape of the powers; Nones where nothing was."""
    if array is None:
        return [None] * shape[0]
    array = given.numbers(name, array, unit)
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(
            f"{name} has shape {np.shape(array)}, power (spectra, bins) = {shape}"
        ) from None


def _of_stingray(spectrum):
    """Return power, frequency, n, no errors, and widths of a Stingray spectrum, None where it has none."""
    power = given.numbers("power", spectrum.power)
    frequency = given.numbers("frequency", spectrum.freq)
    width = getattr(spectrum, "df", None)
    if width is not None and np.size(width) not in (1, frequency.size):
        width = None
    width = None if width is None else given.numbers("width", width)
    return power, frequency, given.numbers("n", spectrum.m), None, width


def _row(power, frequency, n, error, width, likelihood):
    """Return one spectrum by frequency; a bin without a frequency has no width to give or take."""
    order = np.argsort(frequency)  # NaN last
    frequency = frequency[order]
    known, widths_known = np.isfinite(frequency), width is not None
    if width is None:
        width = np.ones(frequency.size)
        if known.sum() > 1:
            width[known] = np.gradient(frequency[known])
    else:
        width = np.abs(np.broadcast_to(width, frequency.shape)[order])
    half = width / 2
    nothing = np.empty(0)
    row = {
        "frequency": np.where(np.isfinite(half), frequency, np.nan),
        "power": power[order],
        "n": nothing if n is None else np.broadcast_to(n, frequency.shape)[order],
        "power_err": nothing,
        "frequency_lo": frequency - half,
        "frequency_hi": frequency + half,
        "likelihood": likelihood,
        "widths_known": widths_known,
    }
    if error is not None:
        error = np.broadcast_to(error, frequency.shape)[order]
        row["power_err"] = np.where(error > 0, error, np.inf)
    return row


def _empty(model, masks):
    """Arrays of a `Result` for spectra of which none has been fitted."""
    count, size = len(masks), model.size
    out = {
        name: np.full((count, size), np.nan)
        for name in ("values", "err_lo", "err_hi", "upper_limit", "lower_limit")
    }
    out["covariance"] = np.full((count, size, size), np.nan)
    for name in ("free", "open_lo", "open_hi"):
        out[name] = np.zeros((count, size), bool)
    for name in ("statistic", "deviance", "aic", "bic"):
        out[name] = np.full(count, np.nan)
    out["iterations"] = np.zeros(count, int)
    out["status"] = [Status.BAD_SPECTRUM] * count
    least = buckets.MIN_BINS
    out["reason"] = [f"{int(m.sum())} usable frequency bins, {least} are needed" for m in masks]
    return out


def _fill(out, which, fitted):
    """Enter the fits of a bucket, spectrum by spectrum."""
    model = fitted.model
    there = fitted.active[model.slot_of()]
    values = np.where(there, model.to_values(fitted.fit.u), np.nan)
    out["values"][which], out["free"][which] = values.T, fitted.free.T
    covariance = np.where(fitted.sound, fitted.covariance, np.nan)
    out["covariance"][which] = np.moveaxis(covariance, -1, 0)
    for name in ("statistic", "aic", "bic"):
        out[name][which] = getattr(fitted, name)
    out["deviance"][which], out["iterations"][which] = fitted.fit.deviance, fitted.fit.iterations
    for lane, row in enumerate(which):
        known = results.parameter_errors(fitted, lane)
        for name in ("open_lo", "open_hi"):
            out[name][row] = [there[p, lane] and k.get(name, False) for p, k in enumerate(known)]
        for name in ("err_lo", "err_hi", "upper_limit", "lower_limit"):
            column = [k[name] if there[p, lane] else np.nan for p, k in enumerate(known)]
            out[name][row] = column
        status = out["status"][row] = results.lane_status(fitted, lane)
        out["reason"][row] = "" if status is Status.OK else status.sentence
