"""Row conservation: every source of the archive reaches the catalogue, whatever went wrong with it."""

from collections.abc import Callable, Collection, Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog.groups import distinct, rows_in
from pipeline.catalog.shards import Shard
from pipeline.columns.base import Table
from pipeline.status import HAS_RESULT, Status

_NO_SOURCE = pa.array([str(Status.DUPLICATE), str(Status.SET_ASIDE)], pa.string())
"""Statuses of files that make no source of their own."""

_MODEL = ("source_id", "product", "model")


class RowsLost(RuntimeError):
    """A stage did not hand on exactly the sources it was given: a bug, never the data's fault."""


def expected_sources(files: pa.Table) -> set[str]:
    """Return the sources that the catalogue must have.

    Parameters
    ----------
    files : pyarrow.Table
        Rows of OBSERVATIONS. Duplicates and files set aside make no source of their own; a rejected file that
        names its source does.
    """
    named = pc.not_equal(files.column("source_id"), "")
    apart = pc.is_in(files.column("status"), value_set=_NO_SOURCE)
    return set(files.filter(pc.and_not(named, apart)).column("source_id").to_pylist())


def conserve(
    stage: str, expected: Collection[str], found: Collection[str], what: str = "source"
) -> None:
    """Raise unless a stage found exactly the expected sources, or whatever they are.

    Raises
    ------
    RowsLost
        Naming the stage and up to ten of them that are missing or that nobody knows.
    """
    missing, unknown = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    parts = [
        f"{len(ids)} {what}(s) {wrong}: {', '.join(ids[:10])}{', …' if len(ids) > 10 else ''}"
        for wrong, ids in (("missing", missing), ("that the stage before does not have", unknown))
        if ids
    ]
    if parts:
        raise RowsLost(f"{stage}: {'; '.join(parts)}")


def check_shard(shard: Shard) -> None:
    """Raise RowsLost where a stage lost a source, or a fit its power spectrum."""
    conserve(f"ingest, {shard.name}", shard.planned, _words(shard.readings, "source_id"))
    conserve(f"segment, {shard.name}", shard.planned, _words(shard.spectra, "source_id"))
    sound = shard.spectra.filter(pc.equal(shard.spectra.column("status"), str(Status.OK)))
    spectra = _words(sound, "source_id", "product")
    conserve(f"fit, {shard.name}", spectra, spectra & _words(shard.models, "source_id", "product"))


def check_files(shard: Shard, files: pa.Table) -> None:
    """Raise RowsLost where a file of the shard's list is not in OBSERVATIONS or INGEST, or one of a source not in it.

    Parameters
    ----------
    shard : Shard
        The shard.
    files : pyarrow.Table
        Rows of OBSERVATIONS of its sources.
    """
    found = _words(files, "file")
    conserve(f"plan, {shard.name}", shard.files, shard.files & found, "file")
    apart = pc.is_in(files.column("status"), value_set=_NO_SOURCE)
    wanted = _words(files.filter(pc.invert(apart)), "file")
    conserve(f"plan, {shard.name}", wanted, wanted & shard.files, "file")
    read = _words(shard.readings, "file")
    conserve(f"ingest, {shard.name}", shard.files, shard.files & read, "file")


def check_fits(shard: Shard) -> None:
    """Raise RowsLost where a model has no power spectrum, comes twice, or has not its parameters, or these no model."""
    models, free = shard.models, pc.field("free") & ~pc.field("derived")
    place = f"fit, {shard.name}"
    spectra = _words(shard.spectra, *_MODEL[:2])
    conserve(place, spectra, spectra | _words(models, *_MODEL[:2]), "power spectrum")
    keys = distinct(models, list(_MODEL))
    if keys.num_rows < models.num_rows:
        raise RowsLost(f"{place}: {models.num_rows - keys.num_rows} model(s) twice")
    names = _words(models, *_MODEL)
    conserve(place, names, names | _words(shard.parameters, *_MODEL), "model of parameters")
    of_parameter = rows_in(models, shard.parameters.filter(free), list(_MODEL))
    found = np.bincount(of_parameter, minlength=models.num_rows)
    lost = models.filter(pa.array(found != models.column("n_free").to_numpy()))
    if lost.num_rows:
        row = lost.select(_MODEL).slice(0, 1).to_pylist()[0]
        raise RowsLost(
            f"{place}: {lost.num_rows} model(s) with another number of free parameters than in "
            f"PARAMETERS, {' '.join(row.values())} among them"
        )


def check_products(shard: Shard, tables: Iterable[Table]) -> None:
    """Raise RowsLost where a table of a product has not exactly the sources of the shard."""
    for table in tables:
        found = _words(shard.tables[table.name], "source_id")
        conserve(f"segment ({table.name}), {shard.name}", shard.planned, found)


def check_samples(shard: Shard, is_sampled: Callable[[str], bool]) -> None:
    """Raise RowsLost where a source that had to be sampled has no draws, or a source without a fit has some."""
    results = pa.array([str(status) for status in HAS_RESULT], pa.string())
    fitted = shard.models.filter(
        pc.and_(
            pc.and_(shard.models.column("best"), pc.not_equal(shard.models.column("n_free"), 0)),
            pc.is_in(shard.models.column("status"), value_set=results),
        )
    )
    keys = _words(fitted, "source_id", "product")
    wanted = [is_sampled(source) for source in fitted.column("source_id").to_pylist()]
    named = _words(fitted.filter(pa.array(wanted, pa.bool_())), "source_id", "product")
    found = _words(shard.sampled, "source_id", "product")
    conserve(f"fit (samples), {shard.name}", named | (found & keys), found)


def _words(table: pa.Table, *names: str) -> set[str]:
    """Return the different words of some columns, those of a row joined by a space."""
    columns = (table.column(name) for name in names)
    joined = pc.binary_join_element_wise(*columns, " ") if len(names) > 1 else next(columns)
    return set(pc.unique(joined).to_pylist())
