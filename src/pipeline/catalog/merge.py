"""The rows of a shard in the catalogue, made as columns: SOURCES, a source each, and EPOCHS, a power spectrum each."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import nan

import numpy as np
import pyarrow as pa

from pipeline.catalog.files import FileFacts, facts_of, files_of_products, is_known
from pipeline.catalog.groups import objects, pick, rows_in
from pipeline.catalog.lengths import are_too_short
from pipeline.catalog.models import fits_of
from pipeline.catalog.parameters import Parameters
from pipeline.catalog.products import Products, empty_value, products_of
from pipeline.catalog.reasons import Outcomes, outcomes
from pipeline.catalog.sources import OF_QPO, Chosen, Epochs, choose, epochs_of
from pipeline.columns.catalogue import EPOCHS, FITTED, SOURCES
from pipeline.columns.power import PULSE
from pipeline.config.catalog import CatalogOptions
from pipeline.status import Flag
from pipeline.tables import columns_to_arrow

_OF_THE_QPO = tuple(name for name in SOURCES.names if name.startswith("qpo_"))
_OF_EPOCHS = frozenset(EPOCHS.names)
_OF_THE_PULSE = tuple(column.name for column in PULSE)


@dataclass(frozen=True)
class Rows:
    """Rows of the catalogue.

    Attributes
    ----------
    sources, epochs : pyarrow.Table
        Rows of SOURCES and of EPOCHS.
    """

    sources: pa.Table
    epochs: pa.Table


def merge(
    source_ids: list[str],
    files: pa.Table,
    spectra: pa.Table,
    models: pa.Table,
    parameters: pa.Table,
    options: CatalogOptions,
) -> Rows:
    """Return the rows of a shard's sources in the catalogue.

    Parameters
    ----------
    source_ids : list of str
        The sources; there is a row of SOURCES for each, in this order.
    files, spectra, models : pyarrow.Table
        Rows of OBSERVATIONS, of SPECTRA (without arrays of numbers) and of MODELS.
    parameters : pyarrow.Table
        Rows of PARAMETERS that belong to a chosen model.
    options : CatalogOptions
        What a QPO is.

    Notes
    -----
    A product without ``epoch`` is of all observations of the source that could be averaged. One of these
    stands for the source (`pipeline.catalog.sources.choose`); products of single observations are in EPOCHS.
    """
    ids = pa.table({"source_id": pa.array(source_ids, pa.string())})
    source = rows_in(ids, spectra, ["source_id"])
    spectra, source = spectra.filter(pa.array(source >= 0)), source[source >= 0]
    key = ["source_id", "product"]
    of_model, of_parameter = (rows_in(spectra, t, key) for t in (models, parameters))
    fits = fits_of(models, of_model, source.size)
    own = Parameters.from_table(parameters, of_parameter, source.size)
    products = products_of(spectra, source, models, fits, own, options)
    file_source = rows_in(ids, files, ["source_id"])
    files, file_source = files.filter(pa.array(file_source >= 0)), file_source[file_source >= 0]
    file, product = files_of_products(spectra, source, files, file_source)
    chosen, every = choose(products, len(source_ids)), np.arange(source.size)
    all_files = np.arange(file_source.size)
    ends = files, spectra, models, fits
    epochs = _epoch_columns(
        products,
        facts_of(files, file, product, source.size),
        outcomes(*ends, every, file, product),
    )
    sources = _source_columns(
        products,
        chosen,
        facts_of(files, all_files, file_source, len(source_ids)),
        outcomes(*ends, chosen.product, all_files, file_source),
    )
    epochs["source_id"] = pick(objects(source_ids), source, "")
    return Rows(
        columns_to_arrow(SOURCES, sources | {"source_id": objects(source_ids)}),
        columns_to_arrow(EPOCHS, {n: v for n, v in epochs.items() if n in _OF_EPOCHS}),
    )


def _epoch_columns(
    products: Products, facts: FileFacts, outcome: Outcomes
) -> dict[str, np.ndarray]:
    """Return the columns of EPOCHS, a product each."""
    too_short = are_too_short(
        products.segment_size, products.segment_size, products.longest_interval, products.is_hidden
    )
    columns = _of_products(products, np.arange(products.source.size), facts, outcome)
    flags = columns["flags"] | _flags_of_fits(too_short, facts.with_failure)
    columns["flags"] = np.where(
        products.is_fitted, with_open_intervals(flags, columns), columns["flags"]
    )
    return columns


def _source_columns(
    products: Products, chosen: Chosen, facts: FileFacts, outcome: Outcomes
) -> dict[str, np.ndarray]:
    """Return the columns of SOURCES, a source each."""
    product, epochs = chosen.product, epochs_of(products, chosen.product.size)
    too_short = are_too_short(
        products.segment_size, chosen.longest, products.longest_interval, products.is_hidden
    )
    columns = _of_products(products, product, facts, outcome)
    is_fitted = pick(products.is_fitted, product, False)
    partial = facts.with_failure | (chosen.n_fitted < chosen.n_averaged)
    flags = _flags_of_fits(pick(too_short, product, False), partial)
    columns["flags"] |= np.where(is_fitted, flags, 0)
    columns |= {
        "n_files": facts.count,
        "n_products": np.where(is_fitted, chosen.n_fitted, 0),
    }
    columns |= _qpo_of_bands(columns, products, chosen)
    columns |= _pulse_of_bands(columns, products, chosen)
    columns["flags"] = with_open_intervals(columns["flags"], columns)
    return columns | _of_epochs(columns, products, epochs)


def _of_products(
    products: Products, rows: np.ndarray, facts: FileFacts, outcome: Outcomes
) -> dict[str, np.ndarray]:
    """Return the columns of one product for each row; the files fill in what the product does not know."""
    columns = {
        name: pick(values, rows, empty_value(name)) for name, values in products.columns.items()
    }
    for name, values in facts.columns().items():
        known = (rows >= 0) & is_known(columns[name])
        columns[name] = np.where(known, columns[name], values)
    columns["flags"] = facts.flags | pick(products.flags, rows, 0)
    return columns | {"status": outcome.status, "reason": outcome.reason}


def _flags_of_fits(too_short: np.ndarray, partial: np.ndarray) -> np.ndarray:
    """Return the flags of a result that depend on what else the source has."""
    return np.where(too_short, Flag.SHORT_SEGMENTS, 0) | np.where(partial, Flag.PARTIAL, 0)


def with_open_intervals(flags: np.ndarray, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the flags of rows, with OPEN_INTERVAL where a measured column is open, and only there."""
    sides = [columns[f"{name}_open_{side}"] for name in FITTED for side in ("lo", "hi")]
    is_open = np.logical_or.reduce(sides)
    flags = _without(flags, Flag.OPEN_INTERVAL)
    return flags | np.where(is_open, Flag.OPEN_INTERVAL, 0)


def _qpo_of_bands(
    columns: Mapping[str, np.ndarray], products: Products, chosen: Chosen
) -> dict[str, np.ndarray]:
    """Return the columns of the QPO of the product that shows it best, and of the evidence of all."""
    there = chosen.qpo >= 0
    out = {
        name: _where(
            there, pick(products.columns[name], chosen.qpo, empty_value(name)), columns[name]
        )
        for name in _OF_THE_QPO
        if name in products.columns
    }
    flags = pick(products.flags, chosen.qpo, 0) & int(OF_QPO | Flag.UNRESOLVED)
    flags |= _without(columns["flags"], OF_QPO)
    return out | {
        "qpo_product": np.where(chosen.has_qpo, pick(products.name, chosen.qpo, ""), ""),
        "qpo_p_product": pick(products.qpo_p_value, chosen.qpo, nan),
        "qpo_p_value": chosen.qpo_p_value,
        "qpo_p_trials": chosen.qpo_trials,
        "flags": np.where(there, flags, columns["flags"]),
    }


def _pulse_of_bands(
    columns: Mapping[str, np.ndarray], products: Products, chosen: Chosen
) -> dict[str, np.ndarray]:
    """Return the columns of the pulsation of the product that shows it best, and the evidence of all."""
    there = chosen.pulse >= 0
    out = {
        name: np.where(
            there, pick(products.columns[name], chosen.pulse, empty_value(name)), columns[name]
        )
        for name in _OF_THE_PULSE
    }
    flags = columns["flags"] | (pick(products.flags, chosen.pulse, 0) & int(Flag.PULSATION))
    return out | {
        "pulse_p_value": np.where(there, chosen.pulse_p_value, columns["pulse_p_value"]),
        "flags": flags,
    }


def _of_epochs(
    columns: Mapping[str, np.ndarray], products: Products, epochs: Epochs
) -> dict[str, np.ndarray]:
    """Return the columns that say what single observations show."""
    silent = ~np.isfinite(columns["qpo_frequency"])
    flag = np.where(epochs.is_seen & silent, Flag.QPO_IN_EPOCH, 0)
    return {
        "n_epochs": epochs.count,
        "epoch_best": pick(products.epoch, epochs.best, ""),
        "epoch_p_value": epochs.p_value,
        "flags": columns["flags"] | flag,
    }


def _where(there: np.ndarray, values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return values where there are any, else the others; also of tuples, which `numpy.where` would unpack."""
    out = others.copy()
    out[there] = values[there]
    return out


def _without(flags: np.ndarray, unwanted: Flag) -> np.ndarray:
    return flags & ~np.int64(int(unwanted))
