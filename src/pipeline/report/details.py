"""What a click on a source shows: power spectrum, parameters, models, files; a block of sources in each piece."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.columns.base import Table
from pipeline.columns.fits import CURVES, MODELS, PARAMETERS
from pipeline.columns.observations import OBSERVATIONS
from pipeline.columns.samples import SAMPLES
from pipeline.report.data import DataFiles
from pipeline.report.embed import Grids, curve, records, spectrum
from pipeline.tables import opened, read_parquet, rows_of, unpacked

DETAILS = 64
"""Sources in a piece ``details-K``."""
_GROUP = 8 * DETAILS
"""Sources that are in memory at a time."""
_MAX_FILES = 50
_PARAMETER = (
    *("component", "parameter", "value", "err_lo", "err_hi", "unit", "free", "at_bound"),
    *("derived", "open_lo", "open_hi", "upper_limit", "lower_limit"),
)
_MODEL = (
    *("model", "best", "status", "reason", "n_free", "deviance", "aic", "bic", "delta_bic"),
    *("probability", "lrt_p_value", "t_sse_p_value", "outlier_frequency", "outlier_p_value"),
    *("lrt_method", "t_sse_method", "outlier_method"),
)
_KEY = ("source_id", "product")
_FILE = ("file", "observation_id", "kind", "exposure", "status", "reason")


@dataclass(frozen=True)
class Places:
    """Files that details are read from.

    Attributes
    ----------
    observations, models, parameters, samples : Path
        Tables of the catalogue, sorted by source.
    curves : sequence of Path
        CURVES of each shard.
    """

    observations: Path
    models: Path
    parameters: Path
    samples: Path
    curves: Sequence[Path]


def write_details(
    data: DataFiles, shown: Sequence[tuple[str, str]], places: Places, max_corners: int
) -> None:
    """Write the pieces ``details-K``; their order is that of `shown`.

    Parameters
    ----------
    data : DataFiles
        Takes the pieces.
    shown : sequence of (str, str)
        Source and product of each source, in the order of the catalogue.
    places : Places
        Where the tables are.
    max_corners : int
        Largest number of corner plots: those of the first sources whose draws were kept.

    Raises
    ------
    TableError
        When a table cannot be used.
    """
    if not shown:
        return
    cornered = with_draws(places.samples, dict(shown), max_corners)
    with TemporaryFile() as file:
        curves = Curves(file, places.curves, dict(shown))
        for start in range(0, len(shown), _GROUP):
            group = dict(shown[start : start + _GROUP])
            rows = _rows(group, places)
            corners = dict(corner_plots(places.samples, group, cornered, rows["parameters"]))
            for first in range(0, len(group), DETAILS):
                grids = Grids()
                sources = list(group)[first : first + DETAILS]
                details = [_detail(one, rows, curves.get(one), grids, corners) for one in sources]
                piece = {"details": details, "grids": grids.encoded}
                data.put(f"details-{(start + first) // DETAILS}", piece)


class Curves:
    """The curves of the shown sources, which come by shard and are wanted in the order of the catalogue.

    Parameters
    ----------
    file : binary file
        Where they are kept in the meantime.
    paths : sequence of Path
        CURVES of each shard, each of which is read once.
    shown : mapping of str to str
        Product by source.
    """

    def __init__(self, file: IO[bytes], paths: Sequence[Path], shown: Mapping[str, str]) -> None:
        self._file = file
        self._places: dict[str, tuple[int, int]] = {}
        for path in paths:
            for row in rows_of(of_sources(path, CURVES, shown)):
                if shown[row["source_id"]] == row["product"]:
                    text = json.dumps(curve(row)).encode()
                    self._places[row["source_id"]] = (file.tell(), len(text))
                    file.write(text)

    def get(self, source: str) -> dict[str, Any] | None:
        """Return the curve of a source, None where it has none."""
        if source not in self._places:
            return None
        place, size = self._places[source]
        self._file.seek(place)
        return json.loads(self._file.read(size))


def _rows(group: Mapping[str, str], places: Places) -> dict[str, dict[str, list[dict]]]:
    """Return the rows of each table of some sources, by source."""
    best = pc.field("best")
    tables = {
        "files": of_sources(places.observations, OBSERVATIONS, group, ("source_id", *_FILE)),
        "models": of_sources(places.models, MODELS, group, (*_KEY, *_MODEL)),
        "parameters": of_sources(places.parameters, PARAMETERS, group, (*_KEY, *_PARAMETER), best),
    }
    found: dict[str, dict[str, list[dict]]] = {}
    for name, table in tables.items():
        found[name] = defaultdict(list)
        for row in rows_of(table):
            if name == "files" or group[row["source_id"]] == row["product"]:
                found[name][row["source_id"]].append(row)
    return found


def _detail(
    source: str,
    rows: Mapping[str, Mapping[str, list[dict]]],
    encoded_curve: Mapping[str, Any] | None,
    grids: Grids,
    corners: Mapping[str, str],
) -> dict[str, Any]:
    """Return what a click on a source shows."""
    files = rows["files"].get(source, [])
    return {
        "files": records(files[:_MAX_FILES], _FILE),
        "n_files": len(files),
        "models": records(rows["models"].get(source, []), _MODEL),
        "parameters": records(rows["parameters"].get(source, []), _PARAMETER),
        "spectrum": spectrum(encoded_curve, grids) if encoded_curve else None,
        **({"corner": corners[source]} if source in corners else {}),
    }


def of_sources(
    path: Path,
    table: Table,
    sources: Mapping[str, Any],
    columns: Sequence[str] | None = None,
    also: pc.Expression | None = None,
) -> pa.Table:
    """Read the rows of some sources; row groups that have none of them are not read.

    Parameters
    ----------
    path, table : Path, Table
        The file and its declaration.
    sources : mapping
        Sources, as keys.
    columns : sequence of str, optional
        Columns to read; all if they are left out.
    also : pyarrow.compute.Expression, optional
        Further condition on rows.

    Raises
    ------
    TableError
        When the file is not there, or is not a Parquet file.
    """
    name = pc.field("source_id")
    inside = (name >= min(sources)) & (name <= max(sources))
    wanted = inside & name.isin(pa.array(list(sources), pa.string()))
    chosen = None if columns is None else list(columns)
    # the checksums of column chunks are not compared: that would read the row groups of other sources
    with opened(path, table, columns, whole=False):
        data = pq.read_table(
            path,
            columns=chosen,
            filters=wanted if also is None else wanted & also,
            page_checksum_verification=True,
        )
    return unpacked(table, data)


def with_draws(path: Path, shown: Mapping[str, str], limit: int) -> set[str]:
    """Return the first shown sources whose draws were kept, at most `limit`."""
    names = read_parquet(path, SAMPLES, ("source_id", "product"))
    pairs = dict.fromkeys(zip(*(column.to_pylist() for column in names.columns), strict=True))
    return set([source for source, product in pairs if shown.get(source) == product][:limit])


def corner_plots(
    path: Path, group: Mapping[str, str], kept: set[str], parameters: Mapping[str, list[dict]]
) -> Iterator[tuple[str, str]]:
    """Yield source and corner plot of those of a group whose draws were kept."""
    mine = {source: product for source, product in group.items() if source in kept}
    if not mine:
        return
    from pipeline.report.corner import (
        corner_plot,
    )  # its library takes a second of a report without plots

    rows = defaultdict(list)
    for row in rows_of(of_sources(path, SAMPLES, mine)):
        if mine[row["source_id"]] == row["product"] and len(row["value"]):
            rows[row["source_id"]].append(row)
    for source, drawn in rows.items():
        measured = {(row["component"], row["parameter"]): row for row in parameters[source]}
        yield source, corner_plot(drawn, [measured[r["component"], r["parameter"]] for r in drawn])
