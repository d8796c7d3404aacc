"""The columns of the catalogue that describe one product: its power spectrum, its chosen model and its QPO."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan

import numpy as np
import pyarrow as pa

from pipeline.catalog.groups import NONE, objects, pick
from pipeline.catalog.lengths import are_leaked, are_unresolved
from pipeline.catalog.models import Fits
from pipeline.catalog.parameters import Measured, Parameters, Peaks
from pipeline.catalog.pulses import are_of_a_pulse
from pipeline.catalog.qpo import (
    AMBIGUOUS_RATIO,
    Qpos,
    are_of,
    choose_qpos,
    harmonics,
)
from pipeline.columns.catalogue import SOURCES
from pipeline.columns.spectra import SPECTRA
from pipeline.components import parameters_for
from pipeline.config.catalog import CatalogOptions
from pipeline.nulls import EMPTY
from pipeline.status import Flag

FROM_FIT = ("model", "n_bins", "norm", "statistic", "deviance", "n_free")
FROM_CHECK = ("t_sse_p_value", "outlier_frequency", "outlier_p_value")
_JUDGEMENT = ("status", "flags", "reason")
FROM_PRODUCT = tuple(n for n in SOURCES.names if n in SPECTRA.names and n not in _JUDGEMENT)
_LIMIT = "below"
"""Method of a p-value that is an upper limit."""
_CONTINUUM = {name: parameters_for(name) for name in ("slope", "bend_frequency", "nu_max")}
"""Columns of the continuum, and the parameters that they may be: the first that the model has."""
_QPO = ("frequency", "fwhm", "q", "rms")


@dataclass(frozen=True)
class Products:
    """The products of a shard, one power spectrum each, described one by one.

    Attributes
    ----------
    source : int array, shape (products,)
        Which source of the shard each is of.
    name : object array of str, shape (products,)
        Its name.
    epoch : object array of str, shape (products,)
        The observation that it is of, where the average of several is another product; else empty.
    series : object array of str, shape (products,)
        The light curves it is from; products with segments of another length have the same.
    segment_size, longest_interval : float array, shape (products,)
        Length of a segment and the longest good time interval, s.
    weight : float array, shape (products,)
        Counts; where counts mean nothing, exposure times mean rate; minus infinity where unknown.
    m : int array, shape (products,)
        Number of segments averaged.
    is_fitted : bool array, shape (products,)
        Whether a model was fitted, with a result.
    is_hidden : bool array, shape (products,)
        Whether longer segments would show more of its components.
    qpo_frequency, qpo_p_value, pulse_p_value : float array, shape (products,)
        Of its QPO (Hz), of the test for a peak, and of its pulsation; NaN where there is none.
    fall_of_bic : float array, shape (products,)
        See `pipeline.catalog.models.Fits`.
    flags : int array, shape (products,)
        Flags of the power spectrum and of its fit.
    columns : mapping of str to array, shape (products,)
        The columns of SOURCES that are of one power spectrum; empty where nothing is known.
    """

    source: np.ndarray
    name: np.ndarray
    epoch: np.ndarray
    series: np.ndarray
    segment_size: np.ndarray
    longest_interval: np.ndarray
    weight: np.ndarray
    m: np.ndarray
    is_fitted: np.ndarray
    is_hidden: np.ndarray
    qpo_frequency: np.ndarray
    qpo_p_value: np.ndarray
    pulse_p_value: np.ndarray
    fall_of_bic: np.ndarray
    flags: np.ndarray
    columns: Mapping[str, np.ndarray]


def products_of(
    spectra: pa.Table,
    source: np.ndarray,
    models: pa.Table,
    fits: Fits,
    parameters: Parameters,
    options: CatalogOptions,
) -> Products:
    """Return the products of a shard.

    Parameters
    ----------
    spectra, models : pyarrow.Table
        Rows of SPECTRA, without their arrays of numbers, and of MODELS.
    source : int array, shape (products,)
        Which source each product is of.
    fits : Fits
        What the models say of each product.
    parameters : Parameters
        Those of the chosen models.
    options : CatalogOptions
        What a QPO is.
    """
    given = {name: values_of(spectra, name) for name in (*FROM_PRODUCT, "flags", "epoch", "series")}
    fitted, size = fits.chosen >= 0, given["segment_size"]
    peaks = Peaks.of(parameters)
    spoiled = are_of_a_pulse(peaks, given["pulse_frequency"], size) | ~fitted[peaks.product]
    qpos = choose_qpos(
        peaks, size.size, options.qpo_min_q, options.qpo_frequency_range, spoiled=spoiled
    )
    slope = continuum(parameters, "slope", fitted)
    qpo = _qpo_columns(parameters, peaks, qpos)
    qpo |= _harmonic_columns(peaks, qpos, options.qpo_min_q, spoiled)
    test = _test_columns(models, fits, fitted, peaks, qpos)
    flags = _qpo_flags(peaks, qpos, test["qpo_p_value"], fits.tests.row >= 0)
    flags |= np.where(are_leaked(given["taper"], given["leakage_p"], slope), Flag.LEAKAGE, 0)
    flags |= np.where(fits.is_constant, Flag.WHITE_NOISE_MODEL, 0)
    flags |= pick(values_of(models, "flags"), fits.chosen, 0)
    columns = {name: given[name] for name in FROM_PRODUCT}
    observations = spectra.column("observation_ids").to_pylist()
    columns["observation_id"] = objects([names[0] if names else "" for names in observations])
    columns |= _fit_columns(models, fits, given["norm"]) | slope.columns("slope")
    for name in ("bend_frequency", "nu_max"):
        columns |= continuum(parameters, name, fitted).columns(name)
    columns |= qpo | test
    return Products(
        source=source,
        name=given["product"],
        epoch=given["epoch"],
        series=given["series"],
        segment_size=size,
        longest_interval=given["longest_interval"],
        weight=_weight(spectra),
        m=given["m"],
        is_fitted=fitted,
        is_hidden=are_unresolved(parameters, peaks, size),
        qpo_frequency=qpo["qpo_frequency"],
        qpo_p_value=test["qpo_p_value"],
        pulse_p_value=given["pulse_p_value"],
        fall_of_bic=fits.fall_of_bic,
        flags=given["flags"] | np.where(fitted, flags, 0),
        columns=columns,
    )


def values_of(table: pa.Table, name: str) -> np.ndarray:
    """Return a column as an array; words, and tuples of them, as objects."""
    column = table.column(name)
    if pa.types.is_list(column.type):
        return objects([tuple(cell) for cell in column.to_pylist()])
    return column.to_numpy(zero_copy_only=False)


def empty_value(name: str) -> object:
    """Return how a column of SOURCES looks where it has no value."""
    column = SOURCES.column(name)
    return () if column.array else EMPTY[column.dtype]


def continuum(parameters: Parameters, name: str, fitted: np.ndarray) -> Measured:
    """Return a column of the continuum, such as the slope of the power law, where a model has it."""
    rows = np.full(parameters.n_products, NONE)
    for component, parameter in reversed(_CONTINUUM[name]):
        found = parameters.rows_of(component, parameter)
        rows = np.where(found >= 0, found, rows)
    return parameters.measured(np.where(fitted, rows, NONE))


def _weight(spectra: pa.Table) -> np.ndarray:
    """Return how much data each product has, in counts or in exposure times mean rate."""
    counts, exposure, rate = (values_of(spectra, n) for n in ("counts", "exposure", "mean_rate"))
    weight = np.where(np.isfinite(counts), counts, exposure * rate)
    return np.where(np.isfinite(weight), weight, -inf)


def _fit_columns(models: pa.Table, fits: Fits, norm: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns that are those of the chosen fit, and how far its rival is."""
    columns = {
        name: pick(values_of(models, name), fits.chosen, empty_value(name))
        for name in (*FROM_FIT, *FROM_CHECK)
    }
    columns["norm"] = np.where(fits.chosen >= 0, columns["norm"], norm)
    for name in ("t_sse", "outlier"):
        method = pick(values_of(models, f"{name}_method"), fits.chosen, "")
        columns[f"{name}_p_is_limit"] = method == _LIMIT
    fitted = fits.chosen >= 0
    columns["runner_up"] = np.where(fitted, fits.runner_up, "")
    return columns | {"delta_bic": np.where(fitted, fits.delta_bic, nan)}


def _qpo_columns(parameters: Parameters, peaks: Peaks, qpos: Qpos) -> dict[str, np.ndarray]:
    """Return the columns of the QPOs and of their rivals."""
    columns = {
        "qpo_rival": pick(peaks.component, qpos.rival, ""),
        "qpo_rival_ratio": qpos.rival_ratio,
    }
    for name in _QPO:
        measured = parameters.measured(pick(peaks.rows[name], qpos.peak, NONE))
        columns |= measured.columns(f"qpo_{name}")
    unknown = pick(peaks.rows["q"], qpos.peak, NONE) < 0
    quality = pick(peaks.quality, qpos.peak, nan)
    return columns | {"qpo_q": np.where(unknown, quality, columns["qpo_q"])}


def _harmonic_columns(
    peaks: Peaks, qpos: Qpos, min_q: float, spoiled: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the columns of the harmonics of the QPOs."""
    found = harmonics(peaks, qpos, min_q, spoiled)
    return {
        "qpo_harmonics": objects(found.components),
        "qpo_harmonic_ratios": objects(found.ratios),
    }


def _test_columns(
    models: pa.Table, fits: Fits, fitted: np.ndarray, peaks: Peaks, qpos: Qpos
) -> dict[str, np.ndarray]:
    """Return the columns of the test for a peak.

    Where there is a QPO, the p-value is given if the peak that was tested is the QPO; of another peak, its
    place and component are.
    """
    row = np.where(fitted, fits.tests.row, NONE)
    own = np.where((qpos.peak < 0) | are_of(peaks, qpos, fits.tests), row, NONE)
    method = pick(values_of(models, "lrt_method"), own, "")
    return {
        "qpo_p_component": np.where(row >= 0, fits.tests.component, ""),
        "qpo_p_frequency": np.where(row >= 0, fits.tests.frequency, nan),
        "qpo_p_value": pick(values_of(models, "lrt_p_value"), own, nan),
        "qpo_p_error": pick(values_of(models, "lrt_p_error"), own, nan),
        "qpo_p_method": method,
        "qpo_p_is_limit": method == _LIMIT,
    }


def _qpo_flags(peaks: Peaks, qpos: Qpos, p_value: np.ndarray, is_tested: np.ndarray) -> np.ndarray:
    """Return the flags of the QPOs."""
    has_qpo = qpos.peak >= 0
    untested = has_qpo & ~np.isfinite(p_value)
    flags = np.where(qpos.rival_ratio >= AMBIGUOUS_RATIO, Flag.QPO_AMBIGUOUS, 0)
    flags |= np.where(pick(peaks.is_blend, qpos.peak, False), Flag.QPO_BLEND, 0)
    rms_known = pick(peaks.rows["rms"], qpos.peak, NONE) >= 0
    flags |= np.where(has_qpo & ~rms_known, Flag.RMS_UNKNOWN, 0)
    flags |= np.where(untested & is_tested, Flag.QPO_UNTESTED, 0)
    return flags | np.where(untested & ~is_tested, Flag.NO_P_VALUE, 0)
