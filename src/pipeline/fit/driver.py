"""Fit the models of a survey to the power spectra of one shard, a batch at a time."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import tables
from pipeline.columns.base import Table
from pipeline.columns.fits import CURVES, MODELS, PARAMETERS
from pipeline.columns.spectra import SPECTRA
from pipeline.config.fit import FitOptions
from pipeline.fit.analyses import ANALYSES
from pipeline.fit.bucket_fit import BucketFit, fit_bucket, foreseen
from pipeline.fit.engine import devices
from pipeline.fit.engine.ahead import made_ahead
from pipeline.fit.engine.blocks import on_cores
from pipeline.fit.objectives.curves import component_power
from pipeline.fit.tables import buckets, lines
from pipeline.fit.tables.curves import curve_columns
from pipeline.fit.tables.models import best_columns, model_columns, unfitted_columns
from pipeline.fit.tables.parameters import parameter_rows
from pipeline.fit.tables.sources import Sources
from pipeline.fit.tables.spectra import Spectrum, corner, usable, with_errors_only
from pipeline.seals import Origin
from pipeline.status import Status

log = logging.getLogger(__name__)

TABLES: dict[str, Table] = {
    "models": MODELS,
    "parameters": PARAMETERS,
    "curves": CURVES,
    **{analysis.name: analysis.table for analysis in ANALYSES if analysis.table is not None},
}
"""Tables that the stage writes, by the names of its options."""


def run(*, input: Path, options: FitOptions, recipe: str = "", **outputs: Path) -> None:
    """Fit every power spectrum of a shard.

    Parameters
    ----------
    input : Path
        SPECTRA table of the shard.
    options : FitOptions
        Section `fit` of the configuration.
    recipe : str, optional
        Identifies the options, see `pipeline.declared.Stage.recipe`.
    **outputs : Path
        A table to write for each of `TABLES`. Every spectrum, usable or not, has at least one row in MODELS.
    """
    origin = Origin.of_shard("fit", outputs["models"], recipe, input=input)
    with ExitStack() as stack:  # closed in reverse: where MODELS is, the others are
        writers = {
            name: stack.enter_context(tables.parquet_writer(outputs[name], table, origin))
            for name, table in TABLES.items()
        }
        batches = tables.read_batches(input, SPECTRA, options.batch_size)
        # while a batch is fitted the next is read and the last one written
        fitted = (fit_tables(rows, options) for rows in tables.ahead(batches))
        for found in tables.ahead(fitted):
            for name, write in writers.items():
                write(found[name])


def fit_rows(rows: Sequence[Mapping], options: FitOptions) -> tuple[list[dict], ...]:
    """Fit rows of SPECTRA and return the rows of MODELS, PARAMETERS, CURVES and SAMPLES, as dictionaries.

    Parameters
    ----------
    rows, options
        See `fit_tables`.
    """
    return tuple(tables.rows_of(found) for found in fit_tables(rows, options).values())


def fit_tables(rows: Sequence[Mapping], options: FitOptions) -> dict[str, pa.Table]:
    """Fit rows of SPECTRA and return the tables of the stage, by the names of its options.

    Parameters
    ----------
    rows : sequence of mapping
        Spectra, as `pipeline.tables.rows_of` returns them.
    options : FitOptions
        Models, and how to fit them.
    """
    used = devices.configure(options.platform, options.precision, options.compilation_cache)
    log.info("fitting %d spectra on %d x %s", len(rows), len(used), used[0].platform)
    spectra = [Spectrum.of(row) for row in rows]
    weighted = [with_errors_only(spectrum, options.likelihood) for spectrum in spectra]
    masks = [_mask(row, own, options) for row, own in zip(rows, weighted, strict=True)]
    follow = [spectrum.errors_follow for spectrum in weighted]
    sources = Sources.of(rows, spectra, masks, follow, options.frequency_range)
    filled = buckets.in_buckets(weighted, masks, options.batch_size, average=options.bin_average)

    def fit(bucket: buckets.Bucket) -> BucketFit:
        return fit_bucket(bucket, [rows[lane] for lane in bucket.lanes], options, used)

    parts = {name: _Parts(table) for name, table in TABLES.items()}
    # side by side on CPUs, where programs for one length compile on one core; one device stands for all
    with made_ahead(foreseen(filled, options, used)):
        fits = on_cores(fit, filled, used[:1])
    for fitted in fits:
        own = sources.take(fitted.bucket.lanes)
        _enter(parts, fitted, own, [masks[lane] for lane in fitted.bucket.lanes])
    done = [bucket.lanes for bucket in filled]
    left = np.setdiff1d(np.arange(len(rows)), np.concatenate(done) if done else [])
    if left.size:
        parts["models"].add(unfitted_columns(sources.take(left)), left, 0)
    return {name: part.table() for name, part in parts.items()}


def _mask(row: Mapping, spectrum: Spectrum, options: FitOptions) -> np.ndarray:
    """Return the bins of a spectrum that are fitted; none where an earlier stage gave up on it."""
    if Status(row["status"]) is not Status.OK:
        return np.zeros(spectrum.n_bins, bool)
    good = usable(spectrum, options.frequency_range)
    if options.lines == "cut" and spectrum.n.size:
        of_bins = (spectrum.frequency, spectrum.power, spectrum.n)
        good[good] = ~lines.alone(*(array[good] for array in of_bins))
    if options.high_pass == "cut":
        good &= spectrum.frequency >= corner(spectrum, good)
    return good


@dataclass
class _Parts:
    """Rows of one table, made for the lanes of a bucket and one model at a time, to be put in order.

    Attributes
    ----------
    declared : Table
        The table.
    data : list of pyarrow.Table
        The parts.
    lane, model : list of array
        Number of the spectrum, and of the model, of each row of each part.
    """

    declared: Table
    data: list[pa.Table] = field(default_factory=list)
    lane: list[np.ndarray] = field(default_factory=list)
    model: list[np.ndarray] = field(default_factory=list)

    def add(self, rows: Any, lane: np.ndarray, model: int) -> None:
        """Add rows of one model, which may be columns or dictionaries."""
        self.data.append(tables.as_arrow(self.declared, rows))
        self.lane.append(np.asarray(lane, int))
        self.model.append(np.full(len(lane), model))

    def table(self) -> pa.Table:
        """Return all rows: spectrum by spectrum, of each model by model, of each in the order they came in."""
        if not self.data:
            return tables.as_arrow(self.declared, [])
        order = np.lexsort((np.concatenate(self.model), np.concatenate(self.lane)))
        return pa.concat_tables(self.data).take(order).combine_chunks()


def _enter(
    parts: Mapping[str, _Parts],
    fitted: BucketFit,
    sources: Sources,
    masks: Sequence[np.ndarray],
) -> None:
    """Enter the rows of a bucket, a model at a time."""
    lanes, of_all = fitted.bucket.lanes, best_columns(fitted.best, fitted.bic)
    for k, (result, found) in enumerate(zip(fitted.fits, fitted.findings, strict=True)):
        columns = model_columns(sources, result, fitted.status[k]) | found.columns
        columns |= {name: cells[k] for name, cells in of_all.items()}
        columns["flags"] = columns["flags"] | found.flags
        parts["models"].add(columns, lanes, k)
        rows = parameter_rows(sources, result, fitted.best == k)
        parts["parameters"].add(rows.columns, lanes[rows.lane], k)
        for name, findings in found.own.items():
            parts[name].add(findings.own, lanes[findings.own_lane], k)
        chosen = np.flatnonzero(fitted.best == k)
        if chosen.size:
            power = component_power(
                result.model, fitted.bucket.spectra, result.active, result.fit.u
            )
            some = [masks[lane] for lane in chosen.tolist()]
            curves = curve_columns(
                sources.take(chosen), some, result.take(chosen), power[:, :, chosen]
            )
            parts["curves"].add(curves, lanes[chosen], k)
